import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scriptsEnded } from '../lab/command-services.ts'
import { type MigrationLab, startMigrationLab, Writer } from '../lab/migration.ts'

let lab: MigrationLab
beforeAll(async () => {
  lab = await startMigrationLab()
})
afterAll(() => lab[Symbol.asyncDispose]())

const serving = async () => ({ old: await lab.old.serves(), new: await lab.new.serves() })

test('both served when the client was killed while it gave up the other side, and writes were set aside uncounted', async () => {
  await using writer = new Writer(lab.old.redisPort, 'counter')
  const running = lab.start('migrate', 'old', 'new', '--cutover', '--yes')
  while (!running.stderr().includes('giving up the other side') && running.child.exitCode === null)
    await sleep(1)
  running.child.kill('SIGKILL')
  const { stderr } = await running.result
  await Promise.all([scriptsEnded(lab.old.deployment), scriptsEnded(lab.new.deployment)])
  expect(await serving(), stderr).toEqual({ old: false, new: true })
  expect(Number(await lab.new.redis('get', 'counter'))).toBeGreaterThanOrEqual(writer.acknowledged)

  // A client that was killed late has closed it.
  const journal = execFileSync('sh', ['-c', `cat ${lab.new.deployment}/.relay-backup/restore-*/journal`])
  if (!journal.includes('closed\tdone')) {
    const closed = await lab.cli('rollback', '--host', 'new', '--yes')
    expect(closed.code, closed.stderr).toBe(0)
    expect(closed.stdout).toContain('was decided, and is closed now')
    expect(await serving()).toEqual({ old: false, new: true })
  }

  for (const name of ['one', 'two', 'three']) await lab.new.redis('set', name, 'accepted')
  const back = await lab.cli('rollback', '--host', 'old', '--yes')
  expect(back.code, back.stderr + back.stdout).toBe(0)
  expect(await serving()).toEqual({ old: true, new: false })
  expect(back.stdout).toContain('Redis had accepted 3 writes there after the last pull of old')
  const [, from, file] = /tail -c \+(\d+) (\S+) on new/.exec(back.stdout) ?? []
  const writes = execFileSync('tail', ['-c', `+${from}`, file ?? ''])
  execFileSync('redis-cli', ['-p', String(lab.old.redisPort), '--pipe'], { input: writes })
  expect(await lab.old.redis('mget', 'one', 'two', 'three')).toBe('accepted\naccepted\naccepted')
}, 120_000)
