import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scriptsEnded, serverScripts } from '../lab/command-services.ts'
import type { CliResult } from '../lab/cli.ts'
import { type LabServer, type MigrationLab, startMigrationLab, Writer } from '../lab/migration.ts'

let lab: MigrationLab
/** How long an undisturbed cutover takes, and how much of that is over when it stops the old server. ms */
let pace: { readonly whole: number; readonly untilStop: number }

beforeAll(async () => {
  lab = await startMigrationLab()
  const started = performance.now()
  const running = lab.start('migrate', 'old', 'new', '--cutover', '--yes')
  while (!running.stderr().includes('stopping all services')) {
    expect(running.child.exitCode, running.stderr()).toBeNull()
    await sleep(5)
  }
  const untilStop = performance.now() - started
  const { code, stderr } = await running.result
  expect(code, stderr).toBe(0)
  pace = { whole: performance.now() - started, untilStop }
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

/** A quarter of them before the old server stops, the others behind that. ms */
function moment(round: number, rounds: number): number {
  const early = Math.floor(rounds / 4)
  const { whole, untilStop } = pace
  return round < early
    ? ((round + Math.random()) / early) * untilStop
    : untilStop + ((round - early + Math.random()) / (rounds - early)) * (whole - untilStop)
}

test('the client is killed at 20 moments: one of the two servers serves, before and after rollback', async () => {
  const rounds = 20
  const seen = { old: 0, new: 0 }
  for (let round = 0; round < rounds; round += 1) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const after = moment(round, rounds)
    const running = lab.start('migrate', 'old', 'new', '--cutover', '--yes')
    await sleep(after)
    running.child.kill('SIGKILL')
    const { code, stdout, stderr } = await running.result
    const at = `killed after ${after} of ${JSON.stringify(pace)} ms, exit ${code}\n${stderr}${stdout}`
    await Promise.all([scriptsEnded(lab.old.deployment), scriptsEnded(lab.new.deployment)])
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
}, 1_500_000)

test('a connection is cut at some moments: one of the two servers serves, and the report says which', async () => {
  const rounds = 4
  for (let round = 0; round < rounds; round += 1) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const side = round % 2 === 0 ? lab.old : lab.new
    const after = pace.untilStop + ((round + Math.random()) / rounds) * (pace.whole - pace.untilStop)
    const running = lab.start('migrate', 'old', 'new', '--cutover', '--yes', '--json')
    await sleep(after)
    await side.sshd.killSessions()
    const { code, stdout, stderr } = await running.result
    const at = `cut ${side.name} after ${after} of ${JSON.stringify(pace)} ms, exit ${code}\n${stderr}${stdout}`
    await Promise.all([scriptsEnded(lab.old.deployment), scriptsEnded(lab.new.deployment)])
    const serving = await expectOne(writer.acknowledged, at)
    if (code === 0) expect(serving.name, at).toBe('new')
    else expect(serving.name, at).toBe('old')
    await takeBack(at)
  }
}, 1_500_000)

test('both servers go down in the middle: rollback makes one serve, and may be repeated', async () => {
  const rounds = 2
  for (let round = 0; round < rounds; round += 1) {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const after = pace.untilStop + ((round + Math.random()) / rounds) * (pace.whole - pace.untilStop)
    const running = lab.start('migrate', 'old', 'new', '--cutover', '--yes')
    await sleep(after)
    running.child.kill('SIGSTOP')
    for (const { deployment } of [lab.old, lab.new]) for (const pid of serverScripts(deployment)) kill(pid)
    running.child.kill('SIGKILL')
    const { code, stdout, stderr } = await running.result
    const at = `down after ${after} of ${JSON.stringify(pace)} ms, exit ${code}\n${stderr}${stdout}`
    await Promise.all([scriptsEnded(lab.old.deployment), scriptsEnded(lab.new.deployment)])
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
}, 1_500_000)

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
