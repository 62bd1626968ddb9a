import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { commandLine } from '../../../src/cli/command-line.ts'
import { createProgram } from '../../../src/cli/program.ts'
import type { InstallFlags } from '../../../src/commands/schedule-choice.ts'
import { scheduleInstall } from '../../../src/commands/schedule-install.ts'
import { scheduleRemove } from '../../../src/commands/schedule-remove.ts'
import { scheduleShow } from '../../../src/commands/schedule-show.ts'
import { RelayError } from '../../../src/errors.ts'
import type { TimerSystem } from '../../../src/timers/keepers.ts'
import { commandContext } from '../../lab/command-context.ts'
import { temporaryDirectory } from '../vault/fixtures.ts'
import { fakeSystem } from './fake-system.ts'

const LINE = commandLine((run) => createProgram('0', run))
const HEAD = 'version: 1 # mine\nvault: ./vault\nencryption: { recipients: [k.asc] }\n'
const TWO =
  'schedules:\n  nightly: { at: "02:00", run: pull --all }\n  proof: { cron: "0 5 * * 0", run: verify --all }\n'
const HOSTS = 'hosts:\n  prod: { ssh: root@a } # the one\n'

async function lab(schedules: string, own: Partial<TimerSystem> & { crontab?: string } = {}) {
  const directory = await temporaryDirectory()
  const config = join(directory.path, 'hosts.yaml')
  await writeFile(config, `${HEAD}${schedules}${HOSTS}`)
  const home = join(directory.path, 'home')
  const system = fakeSystem(home, own)
  const context = commandContext(config, directory.path, {
    now: system.now,
    env: { HOME: home, PATH: '/usr/bin:relative:/usr/bin:/opt/it' },
  })
  return {
    system,
    config,
    context,
    units: join(home, '.config/systemd/user'),
    install: (flags: InstallFlags = {}) => scheduleInstall(context, flags, LINE, system),
    remove: (names: string[] = [], flags: { yes?: boolean } = {}) =>
      scheduleRemove(context, names, flags, system),
    show: async () => (await scheduleShow(context, LINE, system)).text,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof RelayError)) throw new Error('it did not fail as expected', { cause: error })
  return `${error.message}. Next: ${error.details.next}`
}

describe('a crontab', () => {
  const FOREIGN = 'MAILTO=me\n# mine\n 5 4 * * *   true %x\n\n@daily odd  \n'

  test('gets our lines at its top, twice the same; all other lines stay, and come out again to the byte', async () => {
    await using one = await lab(TWO, { crontab: FOREIGN })
    const { text } = await one.install()
    expect(text).toMatch(
      /^Kept by cron: 2 timers written and read back\n {2}nightly: every day at 02:00, next: tomorrow/,
    )
    const written = one.system.crontab
    expect(written?.endsWith(`# END relay-backup ${one.config}\n${FOREIGN}`)).toBe(true)
    expect(written?.split('\n').map((line) => line.replace(/^(# relay-backup-timer ).*/, '$1'))).toEqual([
      `# BEGIN relay-backup ${one.config}: written by relay-backup schedule install`,
      '# relay-backup-timer ',
      expect.stringMatching(
        /^0 2 \* \* \* \/usr\/bin\/env PATH=\/usr\/bin:\/opt\/it .* --quiet schedule run nightly$/,
      ),
      '# relay-backup-timer ',
      expect.stringMatching(/^0 5 \* \* 0 .* schedule run proof$/),
      `# END relay-backup ${one.config}`,
      ...FOREIGN.split('\n'),
    ])
    one.system.calls.length = 0
    expect((await one.install()).text).toMatch(/^Kept by cron: as they were/)
    expect(one.system.calls.filter((call) => call !== 'crontab -l')).toEqual([])
    await one.remove(['proof'])
    expect(one.system.crontab).not.toContain('run proof')
    expect(one.system.crontab).toContain('run nightly')
    await one.remove()
    expect(one.system.crontab).toBe(FOREIGN)
    expect((await one.remove()).text).toBe('There is no timer of this config.')
  })

  test('of nobody is made, and is gone again', async () => {
    await using one = await lab(TWO)
    await one.install()
    await one.remove()
    expect(one.system.calls.filter((call) => !call.endsWith('-l'))).toEqual(['crontab -', 'crontab -r'])
  })

  test('keeps its place and what another config has in it', async () => {
    await using one = await lab(TWO)
    const other =
      '# BEGIN relay-backup /other.yaml: written by relay-backup schedule install\n# END relay-backup /other.yaml\n'
    await one.install()
    one.system.crontab = `above\n${one.system.crontab}${other}`
    await writeFile(one.config, `${HEAD}schedules: { nightly: { every: 6h, run: pull } }\n${HOSTS}`)
    const { text } = await one.install()
    expect(text).toContain('Taken away: proof')
    expect(one.system.crontab).toMatch(/^above\n# BEGIN [\s\S]*\n0 0,6,12,18 \* \* \* /)
    expect(one.system.crontab?.endsWith(other)).toBe(true)
    await one.remove()
    expect(one.system.crontab).toBe(`above\n${other}`)
  })

  test('that somebody has edited is told, and only replaced with consent', async () => {
    await using one = await lab(TWO)
    await one.install()
    const written = one.system.crontab ?? ''
    for (const edited of [
      written.replace('0 2 * * *', '0 3 * * *'),
      written.replace(/(run nightly\n)/, '$1* * * * * mine\n'),
      written.replace(/# relay-backup-timer .*\n(.*run nightly)/, '$1'),
    ]) {
      one.system.crontab = edited
      expect(await failure(one.install())).toMatch(
        /^Somebody has changed .* nightly .*nothing was done.* add --yes$/,
      )
      expect(await failure(one.remove())).toMatch(/^Somebody has changed .* nightly/)
      expect(one.system.crontab).toBe(edited)
      expect(await one.show()).toContain('timer: cron, the crontab; somebody has changed it')
      expect((await one.install({ dryRun: true })).text).toContain('was changed by somebody')
      await one.install({ yes: true })
      expect(one.system.crontab).toBe(written)
    }
  })

  test('whose marker lines are torn is left alone', async () => {
    await using one = await lab(TWO)
    await one.install()
    const torn = (one.system.crontab ?? '').replace(/# END .*\n/, '')
    one.system.crontab = torn
    for (const work of [() => one.install({ yes: true }), () => one.remove([], { yes: true })])
      expect(await failure(work())).toMatch(/not known what is ours there.*crontab -e$/)
    expect(one.system.crontab).toBe(torn)
  })

  test('that can not be read, or does not hold what was written, is an error', async () => {
    await using one = await lab(TWO, { crontab: FOREIGN })
    one.system.answers.set('crontab -l', { stderr: 'You (me) are not allowed to use this program' })
    expect(await failure(one.install())).toMatch(/can't be read/)
    one.system.answers.clear()
    one.system.answers.set('crontab -', { status: 0 })
    expect(await failure(one.install())).toMatch(/^cron holds another text/)
    one.system.answers.clear()
    one.system.crontab = undefined
    expect(await failure(one.install())).toMatch(/no cron on this machine.*relay-backup daemon$/)
    expect(await one.show()).toContain('timer: none; install it')
  })
})

describe('systemd', () => {
  const SYSTEMD = { hasSystemd: true }

  test('gets a service and a timer each, which are read back; linger is said where it is off', async () => {
    await using one = await lab(TWO, SYSTEMD)
    const { text } = await one.install()
    expect(text).toMatch(/^Kept by systemd: 2 timers written and read back/)
    expect(text).toContain('loginctl enable-linger me')
    const files = await readdir(one.units)
    expect(files.map((file) => file.replace(/-[0-9a-f]{8}\./, '-ID.'))).toEqual([
      'relay-backup-nightly-ID.service',
      'relay-backup-nightly-ID.timer',
      'relay-backup-proof-ID.service',
      'relay-backup-proof-ID.timer',
    ])
    expect(await readFile(join(one.units, files[1] ?? ''), 'utf8')).toContain('Persistent=true')
    one.system.calls.length = 0
    one.system.lingers = true
    expect((await one.install()).text).not.toContain('linger')
    expect(one.system.calls.filter((call) => /daemon-reload|enable|restart/.test(call))).toEqual([])
    await one.remove(['nightly'])
    expect((await readdir(one.units)).map((file) => file.split('-')[2])).toEqual(['proof', 'proof'])
    await one.remove()
    expect(await readdir(one.units)).toEqual([])
    expect(one.system.active.size).toBe(0)
  })

  test('a timer that is off is started again, one whose file is gone or edited is somebody’s work', async () => {
    await using one = await lab(TWO, SYSTEMD)
    await one.install()
    one.system.active.clear()
    expect(await one.show()).toContain('it does not fire')
    await one.install()
    expect(one.system.active.size).toBe(2)
    const [service = ''] = await readdir(one.units)
    await rm(join(one.units, service))
    expect(await failure(one.install())).toMatch(/^Somebody has changed/)
    await one.install({ yes: true })
    expect(await readdir(one.units)).toContain(service)
    await mkdir(join(one.units, `${service}.d`))
    expect((await one.install()).text).toContain(
      `Somebody's own settings stay in force: ${join(one.units, service)}.d`,
    )
    expect((await one.remove()).text).toContain('Not ours, and left')
  })

  test('what it does not list, or has with another text, is an error', async () => {
    await using one = await lab(TWO, SYSTEMD)
    one.system.answers.set('systemctl', { status: 0, stdout: 'nothing of it' })
    expect(await failure(one.install())).toMatch(/has another text of relay-backup-nightly/)
    // The config says nothing that is not so.
    await using other = await lab('', SYSTEMD)
    const before = await readFile(other.config, 'utf8')
    other.system.answers.set('systemctl', { status: 0, stdout: '' })
    expect(await failure(other.install({ at: '03:00' }))).toMatch(/another text/)
    expect(await readFile(other.config, 'utf8')).toBe(before)
  })

  test('where its manager does not answer cron is used, and what cron had goes when it does', async () => {
    await using one = await lab(TWO, { ...SYSTEMD, crontab: 'mine\n' })
    one.system.hasManager = false
    const { text } = await one.install()
    expect(text).toMatch(/^Kept by cron/)
    expect(text).toContain('systemd does not answer to me here')
    one.system.hasManager = true
    await one.install()
    expect(one.system.crontab).toBe('mine\n')
    expect((await readdir(one.units)).length).toBe(4)
  })
})

test('launchd loads an agent for each, and unloads it', async () => {
  await using one = await lab(TWO, { platform: 'darwin' })
  expect((await one.install()).text).toContain('only while you are logged in')
  const directory = join(one.system.home, 'Library/LaunchAgents')
  const files = await readdir(directory)
  expect(files.map((file) => file.replace(/[0-9a-f]{8}/, 'ID'))).toEqual([
    'relay-backup.nightly.ID.plist',
    'relay-backup.proof.ID.plist',
  ])
  expect(one.system.active).toEqual(new Set(files.map((file) => file.replace('.plist', ''))))
  expect((await one.install()).text).toContain('as they were')
  await writeFile(join(directory, files[0] ?? ''), 'mine')
  expect(await failure(one.install())).toMatch(/^Somebody has changed/)
  await one.remove([], { yes: true })
  expect([await readdir(directory), one.system.active.size]).toEqual([[], 0])
})

test('Windows keeps a task in its own layout, and it is known again', async () => {
  await using one = await lab(TWO, { platform: 'win32' })
  await one.install()
  expect([...one.system.tasks.keys()].map((name) => name.replace(/[0-9a-f]{8}/, 'ID'))).toEqual([
    '\\relay-backup\\nightly-ID',
    '\\relay-backup\\proof-ID',
  ])
  expect((await one.install()).text).toContain('as they were')
  const [[name = '', xml = ''] = []] = [...one.system.tasks]
  one.system.tasks.set(name, xml.replace('T02:00:00', 'T03:00:00'))
  expect(await failure(one.install())).toMatch(/^Somebody has changed/)
  expect((await one.show()).split('\n')).toContainEqual(expect.stringContaining('somebody has changed it'))
  await one.remove([], { yes: true })
  expect(one.system.tasks.size).toBe(0)
})

describe('the config', () => {
  test('gets the schedule that the flags say, with its comments; the same again changes nothing', async () => {
    await using one = await lab('')
    await one.install({ at: '2:30' })
    const text = await readFile(one.config, 'utf8')
    expect(text).toBe(
      `${HEAD}${HOSTS}\n# What runs when. After a change: relay-backup schedule install\nschedules:\n  backup: { at: 2:30, run: pull --all }\n`,
    )
    expect((await one.install({ at: '2:30' })).text).toContain('as they were')
    expect(await readFile(one.config, 'utf8')).toBe(text)
    expect((await one.install({ every: '12h', timeZone: 'Asia/Shanghai' })).text).toContain(
      'every 12h (Asia/Shanghai)',
    )
    expect(await readFile(one.config, 'utf8')).toContain(
      '  backup: { every: 12h, timeZone: Asia/Shanghai, run: pull --all }\n',
    )
    await one.install({ cron: '0 4 * * 0', name: 'weekly', run: 'verify --all' })
    expect(one.system.crontab).toContain('schedule run weekly')
    expect((await one.install({ dryRun: true })).text).toBe('# The timers are as the config says.')
  })

  test('stays as it is when the flags say nothing that can be run', async () => {
    await using one = await lab('')
    expect(await failure(one.install())).toMatch(/no schedules.*schedule install --at 02:00$/)
    for (const [flags, words] of [
      [{ at: '25:00' }, /no time of day/],
      [{ every: '5h' }, /divide a day evenly/],
      [{ cron: '0 0 31 2 *' }, /never fires/],
      [{ at: '02:00', every: '6h' }, /has one time/],
      [{ run: 'pull' }, /--run is about a schedule that has no time/],
      [{ at: '02:00', name: 'No' }, /not usable/],
      [{ at: '02:00', run: 'restore' }, /The config has a problem/],
      [{ at: '02:00', timeZone: 'Mars/X' }, /The config has a problem/],
    ] as const)
      expect(await failure(one.install(flags)), JSON.stringify(flags)).toMatch(words)
    expect(await readFile(one.config, 'utf8')).toBe(`${HEAD}${HOSTS}`)
    expect(one.system.crontab).toBe('')
    expect(await failure(one.remove(['nightli']))).toMatch(/^There is no timer of "nightli"/)
  })
})
