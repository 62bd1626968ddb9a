import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type MigrationLab, startMigrationLab, Writer } from '../lab/migration.ts'
import { everySecond } from '../lab/soak.ts'

everySecond()

let lab: MigrationLab
beforeEach(async () => {
  lab = await startMigrationLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

interface Json {
  outcome: string
  serving: string
  downtimeSeconds?: number
  plan: { findings: { check: string; outcome: string }[] }
  sources: { source: string; captured: Record<string, unknown> }[]
}

const json = (stdout: string): Json => JSON.parse(stdout) as Json

describe('migrate, as a rehearsal', () => {
  test('brings everything to the other server and compares it, while the old one serves on', async () => {
    const planned = await lab.cli('migrate', 'old', 'new', '--dry-run')
    expect(planned.code, planned.stderr).toBe(0)
    expect(planned.stdout).toContain('Try out old')
    expect(existsSync(lab.new.deployment)).toBe(false)

    const result = await lab.cli('migrate', 'old', 'new', '--start', '--yes', '--json')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    const report = json(result.stdout)
    expect(report).toMatchObject({ outcome: 'done', serving: 'both' })
    expect(report.sources.map(({ source }) => source)).toEqual(['redis_data', 'logs', 'data', 'config'])
    expect(await lab.old.serves()).toBe(true)
    expect(await lab.new.serves()).toBe(true)
    expect(await lab.new.redis('mget', 'alpha', 'beta')).toBe('1\n2')
    expect(await readFile(join(lab.new.deployment, '.env'), 'utf8')).toBe('SECRET=server-side\n')
    for (const host of ['old', 'new'])
      expect((await lab.runs(host)).at(-1)).toMatchObject({ operation: 'migrate', outcome: 'done' })

    const undone = await lab.cli('rollback', '--host', 'new', '--yes')
    expect(undone.code, undone.stderr + undone.stdout).toBe(0)
    expect(await lab.new.serves()).toBe(false)
    expect(await lab.old.serves()).toBe(true)
  })

  test('starts nothing where services are one command, without --start', async () => {
    const result = await lab.cli('migrate', 'old', 'new', '--yes')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(result.stdout).toContain('nothing is started on new')
    expect(await lab.new.serves()).toBe(false)
    expect(existsSync(join(lab.new.deployment, 'redis_data'))).toBe(true)
  })
})

describe('migrate --cutover', () => {
  test('moves the app with the last write that was acknowledged, and back', async () => {
    await using writer = new Writer(lab.old.redisPort, 'counter')
    const result = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes', '--json')
    expect(result.code, result.stderr + result.stdout).toBe(0)
    expect(writer.acknowledged).toBeGreaterThan(100)
    expect(Number(await lab.new.redis('get', 'counter'))).toBeGreaterThanOrEqual(writer.acknowledged)
    const report = json(result.stdout)
    expect(report).toMatchObject({ outcome: 'done', serving: 'to' })
    expect(report.downtimeSeconds).toBeGreaterThan(0)
    expect(await lab.new.serves()).toBe(true)
    expect(await lab.old.serves()).toBe(false)
    expect(existsSync(join(lab.old.deployment, 'redis_data'))).toBe(true)

    const again = await lab.cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('is stopped since')

    await lab.new.redis('set', 'only-new', 'accepted')
    const back = await lab.cli('rollback', '--host', 'old', '--yes')
    expect(back.code, back.stderr + back.stdout).toBe(0)
    expect(await lab.old.serves()).toBe(true)
    expect(await lab.new.serves()).toBe(false)
    const kept = execFileSync('grep', ['-rl', 'only-new', lab.new.folder]).toString()
    expect(kept).toContain('/failed-')
  })

  test('replaces what is there when asked to, keeps it, and can take it back', async () => {
    const first = await lab.cli('migrate', 'old', 'new', '--start', '--yes')
    expect(first.code, first.stderr).toBe(0)
    await lab.new.redis('set', 'rehearsed', 'yes')
    const refused = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('--replace')
    const moved = await lab.cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
    expect(moved.code, moved.stderr + moved.stdout).toBe(0)
    expect(await lab.new.redis('exists', 'rehearsed')).toBe('0')
    const back = await lab.cli('rollback', '--host', 'new', '--yes')
    expect(back.code, back.stderr + back.stdout).toBe(0)
    expect(await lab.old.serves()).toBe(true)
    expect(await lab.new.redis('get', 'rehearsed')).toBe('yes')
  })

  test('starts the old server again when the new one never gets healthy, and keeps what it had accepted', async () => {
    const { services } = lab.config.hosts.new
    services['health'] = { url: `http://127.0.0.1:${lab.new.appPort}/not-there`, timeout: '2s' }
    await lab.writeConfig()
    const result = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes', '--json')
    expect(result.code, result.stderr).toBe(1)
    expect(json(result.stdout)).toMatchObject({ outcome: 'failed', serving: 'from' })
    expect(await lab.old.serves()).toBe(true)
    expect(await lab.new.serves()).toBe(false)
    const aside = execFileSync('find', [lab.new.folder, '-name', 'failed-*']).toString()
    expect(aside, result.stdout + result.stderr).not.toBe('')
    for (const host of ['old', 'new'])
      expect((await lab.runs(host)).at(-1)).toMatchObject({ operation: 'migrate', outcome: 'failed' })
    const again = await lab.cli('pull', 'old')
    expect(again.code, again.stderr).toBe(0)
  })

  test('does not believe a Redis that was stopped without saving', async () => {
    const control = join(lab.old.folder, 'control')
    const script = await readFile(control, 'utf8')
    await lab.old.control('stop')
    await rm(join(lab.old.deployment, 'redis_data', 'appendonlydir'), { recursive: true })
    await writeFile(
      control,
      script.replace('--appendonly yes', '').replace('cli shutdown;', 'cli shutdown nosave;'),
    )
    await lab.old.control('start')
    await lab.old.redis('set', 'unsaved', 'yes')
    const result = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes')
    expect(result.code, result.stdout).toBe(1)
    expect(result.stdout).toContain('stopped without saving')
    expect(await lab.old.serves()).toBe(true)
    expect(await lab.new.serves()).toBe(false)
  })
})

describe('migrate refuses, and touches nothing', () => {
  test.each([
    ['a host onto itself', 'old', 'old', 2, "can't be moved to itself"],
    ['a host that is not in the config', 'old', 'root@127.0.0.1', 2, 'hosts of the config'],
  ])('%s', async (_what, from, to, code, text) => {
    const result = await lab.cli('migrate', from, to, '--yes')
    expect(result.code).toBe(code)
    expect(result.stderr).toContain(text)
  })

  test('without anybody to ask, and a server that is the same under another name', async () => {
    const silent = await lab.cli('migrate', 'old', 'new')
    expect(silent.code).toBe(2)
    expect(silent.stderr).toContain('--yes')
    lab.config.hosts.new = { ...lab.config.hosts.old, ssh: lab.config.hosts.new.ssh }
    await lab.writeConfig()
    const result = await lab.cli('migrate', 'old', 'new', '--cutover', '--replace', '--yes')
    expect(result.code).toBe(2)
    expect(result.stderr).toContain('new is old')
    expect(await lab.old.serves()).toBe(true)
    expect(existsSync(join(lab.old.deployment, '.relay-backup'))).toBe(false)
  })

  test('a server that can not be reached, and a port that is taken', async () => {
    const { ssh } = lab.config.hosts.new
    const port = ssh['port']
    ssh['port'] = 1
    await lab.writeConfig()
    const unreachable = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes')
    expect(unreachable.code).toBe(1)
    ssh['port'] = port
    lab.config.hosts.new.services['health'] = { url: `http://127.0.0.1:${lab.old.appPort}/health` }
    await lab.writeConfig()
    const taken = await lab.cli('migrate', 'old', 'new', '--cutover', '--yes')
    expect(taken.code).toBe(1)
    expect(taken.stderr).toContain(`port ${lab.old.appPort}`)
    expect(await lab.old.serves()).toBe(true)
    expect(existsSync(lab.new.deployment)).toBe(false)
  })
})
