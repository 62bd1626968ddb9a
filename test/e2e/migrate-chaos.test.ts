import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scriptsEnded, serverScripts } from '../lab/command-services.ts'
import type { CliResult, RunningCli } from '../lab/cli.ts'
import { cutAt, phasesOfWhole } from '../lab/cuts.ts'
import { type LabServer, type MigrationLab, startMigrationLab, Writer } from '../lab/migration.ts'
import { everySecond, random, rounds, share, tally } from '../lab/soak.ts'

everySecond()

let lab: MigrationLab
/** What an undisturbed cutover tells, and what of it comes when the old server stops. */
let phases: readonly string[]
let stopped: readonly string[]
/** ms */
let whole: number

beforeAll(async () => {
  lab = await startMigrationLab()
  const started = performance.now()
  phases = await phasesOfWhole(cutover())
  whole = performance.now() - started
  stopped = phases.slice(phases.findIndex((phase) => phase.includes('stopping all services')))
  expect(stopped.length).toBeLessThan(phases.length)
  await takeBack('')
}, 600_000)
afterAll(() => lab[Symbol.asyncDispose]())

async function servers(): Promise<{ old: boolean; new: boolean }> {
  return { old: await lab.old.serves(), new: await lab.new.serves() }
}

async function rollback(host: LabServer['name']): Promise<CliResult> {
  return lab.cli('rollback', '--host', host, '--yes')
}

/** Whatever serves, the old server does afterwards, and the next round may begin. */
async function takeBack(at: string): Promise<void> {
  // One that was decided, and whose new server was not told, is closed by the first and taken back by the second.
  for (let tries = 0; tries < 2 && !(await lab.old.serves()); tries += 1) {
    const back = await rollback('new')
    expect(back.code, at + back.stdout + back.stderr).toBe(0)
  }
  expect(await servers(), at).toEqual({ old: true, new: false })
}

/** Exactly one of the two serves, and it has every write that was acknowledged. */
async function expectOne(acknowledged: number, at: string): Promise<LabServer> {
  const now = await servers()
  expect([now.old, now.new].filter(Boolean), `${at}\n${JSON.stringify(now)}`).toHaveLength(1)
  const serving = now.old ? lab.old : lab.new
  expect(Number(await serving.redis('get', 'counter')), at).toBeGreaterThanOrEqual(acknowledged)
  return serving
}

function cutover(): RunningCli {
  return lab.start('migrate', 'old', 'new', '--cutover', '--yes', '--json')
}

/** Cuts a cutover at a phase, or when so many ms have passed. Returns how it ended, and where it was cut. */
async function cutCutover(
  place: string | number,
  cut: (running: RunningCli) => unknown,
): Promise<CliResult & { readonly at: string }> {
  const running = cutover()
  if (typeof place === 'number') await sleep(place).then(() => cut(running))
  else await cutAt(running, place, () => cut(running))
  const result = await running.result
  await Promise.all([scriptsEnded(lab.old.deployment), scriptsEnded(lab.new.deployment)])
  return { ...result, at: `cut at ${place}, exit ${result.code}\n${result.stderr}${result.stdout}` }
}

test('the client is killed at any moment: one of the two servers serves, before and after rollback', async () => {
  const seen = { old: 0, new: 0 }
  const next = random('migrate')
  const moments = Array.from({ length: rounds(0, 40) }, () => next() * whole)
  const all = [...share(phases, 3), ...moments]
  for (const [round, place] of all.entries()) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const { code, at } = await cutCutover(place, ({ child }) => child.kill('SIGKILL'))
    const unsettled = await servers()
    expect(unsettled.old || unsettled.new, at).toBe(true)
    // A migration that is done would be taken back: that is for takeBack.
    if (code !== 0) {
      const settled = await rollback(round % 2 === 0 ? 'old' : 'new')
      expect(settled.code, at + settled.stdout + settled.stderr).toBe(0)
    }
    seen[(await expectOne(writer.acknowledged, at)).name] += 1
    await takeBack(at)
  }
  expect(seen.old).toBeGreaterThan(0)
  tally('cutovers whose client was killed', all.length)
})

test('a connection is cut behind the stop: one of the two servers serves, and the report says which', async () => {
  const all = share(
    stopped.flatMap((place) => [
      { place, side: lab.old },
      { place, side: lab.new },
    ]),
    3,
  )
  for (const { place, side } of all) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const { code, at } = await cutCutover(place, () => side.sshd.killSessions())
    const serving = await expectOne(writer.acknowledged, `${side.name}, ${at}`)
    expect(serving.name, at).toBe(code === 0 ? 'new' : 'old')
    await takeBack(at)
  }
  tally('cutovers whose connection was cut', all.length)
})

test('both servers go down behind the stop: rollback makes one serve, and may be repeated', async () => {
  const all = share(stopped, 2)
  for (const [round, place] of all.entries()) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const { code, at } = await cutCutover(place, ({ child }) => {
      child.kill('SIGSTOP')
      for (const { deployment } of [lab.old, lab.new]) for (const pid of serverScripts(deployment)) kill(pid)
      child.kill('SIGKILL')
    })
    if (code !== 0) {
      for (const host of round % 2 === 0 ? (['old', 'new'] as const) : (['new', 'old'] as const)) {
        const before = await servers()
        const settled = await rollback(host)
        expect(settled.code, at + settled.stdout + settled.stderr).toBe(0)
        // The second one finds all settled, unless it takes back what the first has finished.
        if (before.old) expect(await lab.old.serves(), at).toBe(true)
      }
    }
    await expectOne(writer.acknowledged, at)
    await takeBack(at)
  }
  tally('cutovers whose servers went down', all.length)
})

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
