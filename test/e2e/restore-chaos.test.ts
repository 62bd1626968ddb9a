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
import type { RunningCli } from '../lab/cli.ts'
import { startWorld, type World } from '../lab/world.ts'

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

/** How long an undisturbed restore takes, and how much of that is over when it stops the services. ms */
interface Pace {
  readonly whole: number
  readonly untilStop: number
}

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
  return world.start('restore', snapshot, '--host', 'prod', '--yes', ...args)
}

/** Lets one go through, and takes the time. */
async function measure(...args: string[]): Promise<Pace> {
  await damage(0)
  const started = performance.now()
  const running = startRestore(...args)
  while (!running.stderr().includes('stopping services')) {
    expect(running.child.exitCode, running.stderr()).toBeNull()
    await sleep(5)
  }
  const untilStop = performance.now() - started
  const { code, stderr } = await running.result
  expect(code, stderr).toBe(0)
  expect(content()).toEqual(good)
  return { whole: performance.now() - started, untilStop }
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

/** A moment of a restore: a third of them before the services stop, the others behind that. ms */
function moment(round: number, rounds: number, { whole, untilStop }: Pace): number {
  const early = Math.floor(rounds / 3)
  return round < early
    ? ((round + Math.random()) / early) * untilStop
    : untilStop + ((round - early + Math.random()) / (rounds - early)) * (whole - untilStop)
}

/** What to go by when a restore ended by itself in `took` ms: the machine has more time for us now. */
function faster({ whole, untilStop }: Pace, took: number): Pace {
  const ratio = Math.min(1, took / whole)
  return { whole: whole * ratio, untilStop: untilStop * ratio }
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

async function discard(): Promise<void> {
  const result = await world.cli('rollback', '--host', 'prod', '--discard', '--yes')
  expect(result.code, result.stdout + result.stderr).toBe(0)
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
  await discard()
  const left = execFileSync('find', [world.deployment, '-path', '*/.relay-backup/*', '-name', '*-2*'])
  expect(left.toString()).toBe('')
}

describe('a restore that is cut off at a random moment leaves the old or the new, whole and running', () => {
  test('when the client is killed', async () => {
    const seen: string[] = []
    let pace = await measure()
    let old = await damage(100)
    for (let round = 0; round < 15; round += 1) {
      const after = moment(round, 15, pace)
      const began = performance.now()
      const running = startRestore()
      const ended = running.result.then(() => performance.now() - began)
      await sleep(after)
      running.child.kill('SIGKILL')
      const { code } = await running.result
      await scriptsEnded(world.deployment)
      const which = expectSettled(
        old,
        `client killed after ${after} of ${pace.whole} ms\n${running.stderr()}`,
      )
      if (code === 137) seen.push(which)
      else pace = faster(pace, await ended)
      if (which === 'new') old = await damage(101 + round)
    }
    expect(seen.length).toBeGreaterThan(8)
    expect(seen).toContain('old')
    await expectUsable(old)
  })

  test("when the session's sshd is killed", async () => {
    let cut = 0
    let pace = await measure('--no-safety')
    let old = await damage(200)
    for (let round = 0; round < 10; round += 1) {
      const after = moment(round, 10, pace)
      const began = performance.now()
      const running = startRestore('--no-safety')
      const ended = running.result.then(() => performance.now() - began)
      await sleep(after)
      await world.sshd.killSessions()
      const { code, stdout, stderr } = await running.result
      await scriptsEnded(world.deployment)
      const at = `sshd killed after ${after} of ${pace.whole} ms\n${stderr}${stdout}`
      const which = expectSettled(old, at)
      if (code !== 0) {
        cut += 1
        expect(code, at).toBe(1)
        expect(stdout + stderr).toContain('Next:')
      } else {
        expect(which, at).toBe('new')
        pace = faster(pace, await ended)
      }
      if (which === 'new') old = await damage(201 + round)
    }
    expect(cut).toBeGreaterThan(4)
    await expectUsable(old)
  })
})

test('a server that goes down in the middle of a restore is settled by rollback', async () => {
  const { whole, untilStop } = await measure('--no-safety')
  for (let round = 0; round < 5; round += 1) {
    await discard()
    const old = await damage(300 + round)
    // All of them behind the stop, where nothing but the journal knows what is where.
    const after = untilStop + ((round + Math.random()) / 5) * (whole - untilStop) * 0.9
    const running = startRestore('--no-safety')
    await sleep(after)
    const killed = serverScripts(world.deployment)
    for (const pid of killed) kill(pid)
    await world.sshd.killSessions()
    const { code, stdout, stderr } = await running.result
    const at = `killed ${killed.length} after ${after} of ${whole} ms\n${stderr}${stdout}`
    await scriptsEnded(world.deployment)
    if (code === 0) {
      expect(content(), at).toEqual(good)
      continue
    }
    const undone = await world.cli('rollback', '--host', 'prod', '--yes')
    expect(undone.code, at + undone.stdout + undone.stderr).toBe(0)
    expect(expectSettled(old, at + undone.stdout), at).toBe('old')
    if (round === 4) await expectUsable(old)
  }
})

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
