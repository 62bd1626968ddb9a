import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readlinkSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  redisKeys,
  redisNow,
  scriptsEnded,
  serverScripts,
  shutDownRedis,
  treeListing,
  useCommandServices,
} from '../lab/command-services.ts'
import type { CliResult, RunningCli } from '../lab/cli.ts'
import { cutAt, phasesOfWhole } from '../lab/cuts.ts'
import { discardAll } from '../lab/discard.ts'
import { everySecond, random, rounds, share, soaking, tally } from '../lab/soak.ts'
import { startWorld, type World } from '../lab/world.ts'

everySecond()

/** What a deployment holds: its files with all that belongs to them, and Redis' keys. */
interface Content {
  readonly files: string
  readonly keys: string
}

let world: World
/** What the snapshot holds. */
let good: Content
/** Its id, as an argument. */
let snapshot: string
/** Answers that all is well; without it every restore would wait for a while whether Redis dies again. */
const http = createServer((_request, response) => response.end())

beforeAll(async () => {
  world = await startWorld()
  const services = await useCommandServices(world)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  Object.assign(services, { health: { url: `http://127.0.0.1:${port}/` } })
  world.config.retention = { last: 3 }
  await world.writeConfig()
  await makeTree('good')
  good = content()
  const pulled = await world.cli('pull', 'prod', '--quiet')
  expect(pulled.code, pulled.stderr).toBe(0)
  snapshot = `prod/${(await world.snapshots())[0] ?? ''}`
})
afterAll(async () => {
  http.close()
  shutDownRedis(world)
  await world[Symbol.asyncDispose]()
})

function startRestore(...args: string[]): RunningCli {
  return world.start('restore', snapshot, '--host', 'prod', '--yes', '--json', ...args)
}

/** What a whole restore is: its phases, those behind the stop of the services, and how long it takes in ms. */
interface Whole {
  readonly phases: readonly string[]
  readonly stopped: readonly string[]
  readonly took: number
}

/** Lets one go through. */
async function measure(...args: string[]): Promise<Whole> {
  await damage(0)
  const started = performance.now()
  const phases = await phasesOfWhole(startRestore(...args))
  expect(content()).toEqual(good)
  const stop = phases.findIndex((phase) => phase.includes('stopping services'))
  expect(stop).toBeGreaterThan(0)
  return { phases, stopped: phases.slice(stop), took: performance.now() - started }
}

async function makeTree(version: string): Promise<void> {
  const data = join(world.deployment, 'data')
  for (let n = 0; n < 30; n += 1) {
    const directory = join(data, `${version}-${n % 5}`)
    await mkdir(directory, { recursive: true, mode: 0o750 })
    await writeFile(join(directory, `${n}`), `${version} ${n}`, { mode: n % 2 === 0 ? 0o640 : 0o4755 })
  }
  execFileSync('chown', ['-R', version === 'good' ? '1234:2345' : '77:88', data])
  await writeFile(join(world.deployment, 'logs', 'app.log'), version)
  await writeFile(join(world.deployment, '.env'), `VERSION=${version}\n`)
  const pairs = Array.from({ length: 100 }, (_, n) => [`${version}:${n}`, version]).flat()
  redisNow(world, 'flushall')
  redisNow(world, 'mset', ...pairs)
}

/** Makes data that can be told from the snapshot's and from any round's before it. */
async function damage(round: number): Promise<Content> {
  await rm(join(world.deployment, 'data'), { recursive: true })
  await makeTree(`bad${round}`)
  return content()
}

function content(): Content {
  const parts = ['data', 'logs'].map((name) => treeListing(join(world.deployment, name)))
  const env = execFileSync('sh', [
    '-c',
    'cd "$1" && cat .env && stat -c "%a %u %g %y" .env',
    'sh',
    world.deployment,
  ])
  return { files: [...parts, env.toString()].join('\n'), keys: redisKeys(world) }
}

/** Cuts a restore at a phase, or when so many ms have passed. Returns how it ended, and where it was cut. */
async function cutRestore(
  place: string | number,
  cut: () => unknown,
  running: RunningCli,
): Promise<CliResult & { readonly at: string }> {
  if (typeof place === 'number') await sleep(place).then(cut)
  else await cutAt(running, place, cut)
  const result = await running.result
  await scriptsEnded(world.deployment)
  return { ...result, at: `cut at ${place}\n${result.stderr}${result.stdout}` }
}

/** Phases first, then random moments of all the time it takes. */
function places(phases: readonly string[], moments: number, { took }: Whole): readonly (string | number)[] {
  const next = random('restore')
  return [...phases, ...Array.from({ length: moments }, () => next() * took)]
}

/** Old or new, whole, with the service running and nobody holding the deployment. */
function expectSettled(old: Content, at: string): 'old' | 'new' {
  expect(redisNow(world, 'ping'), at).toBe('PONG')
  const lock = join(world.deployment, '.relay-backup', 'lock')
  expect(existsSync(lock) || isLink(lock), at).toBe(false)
  const now = content()
  const which = now.files === good.files ? 'new' : 'old'
  expect(now, at).toEqual(which === 'new' ? good : old)
  return which
}

function isLink(path: string): boolean {
  try {
    return readlinkSync(path) !== ''
  } catch {
    return false
  }
}

async function expectUsable(old: Content): Promise<void> {
  const restored = await startRestore().result
  expect(restored.code, restored.stdout + restored.stderr).toBe(0)
  expect(content()).toEqual(good)
  const undone = await world.cli('rollback', '--host', 'prod', '--yes')
  expect(undone.code, undone.stdout + undone.stderr).toBe(0)
  expect(content()).toEqual(old)
  const pulled = await world.cli('pull', 'prod', '--quiet')
  expect(pulled.code, pulled.stdout + pulled.stderr).toBe(0)
  await discardAll(world.cli)
  const left = execFileSync('find', [world.deployment, '-path', '*/.relay-backup/*', '-name', '*-2*'])
  expect(left.toString()).toBe('')
}

describe('a restore that is cut off leaves the old or the new, whole and running', () => {
  test('when the client is killed', async () => {
    const whole = await measure()
    const seen: string[] = []
    let old = await damage(100)
    const all = places(share(whole.phases, 3), rounds(1, 30), whole)
    for (const [round, place] of all.entries()) {
      const running = startRestore()
      const { code, at } = await cutRestore(place, () => running.child.kill('SIGKILL'), running)
      const which = expectSettled(old, at)
      if (code === 137) seen.push(which)
      if (which === 'new') old = await damage(101 + round)
    }
    if (soaking) expect(seen.length).toBeGreaterThan(all.length / 2)
    expect(seen).toContain('old')
    tally('restores whose client was killed', all.length)
    await expectUsable(old)
  })

  test("when the session's sshd is killed", async () => {
    const whole = await measure('--no-safety')
    let cut = 0
    let old = await damage(200)
    const all = places(share(whole.phases, 2), rounds(1, 20), whole)
    for (const [round, place] of all.entries()) {
      const running = startRestore('--no-safety')
      const { code, at } = await cutRestore(place, () => world.sshd.killSessions(), running)
      const which = expectSettled(old, at)
      if (code === 0) {
        expect(which, at).toBe('new')
      } else {
        cut += 1
        expect(code, at).toBe(1)
        expect(at).toMatch(/"next":|Next:/)
      }
      if (which === 'new') old = await damage(201 + round)
    }
    if (soaking) expect(cut).toBeGreaterThan(all.length / 3)
    tally('restores whose connection was cut', all.length)
    await expectUsable(old)
  })
})

test('a server that goes down in the middle of a restore is settled by rollback', async () => {
  const whole = await measure('--no-safety')
  // All of them behind the stop, where nothing but the journal knows what is where.
  const all = share(whole.stopped, 2)
  for (const [round, place] of all.entries()) {
    await discardAll(world.cli)
    const old = await damage(300 + round)
    const running = startRestore('--no-safety')
    const { code, at } = await cutRestore(
      place,
      async () => {
        for (const pid of serverScripts(world.deployment)) kill(pid)
        await world.sshd.killSessions()
      },
      running,
    )
    if (code === 0) {
      expect(content(), at).toEqual(good)
      continue
    }
    const undone = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(undone.code, at + undone.stdout + undone.stderr).toBe(0)
    expect(expectSettled(old, at + undone.stdout), at).toBe('old')
    if (round === all.length - 1) await expectUsable(old)
  }
  tally('restores whose server went down', all.length)
})

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
