import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProgramResult, RunProgram } from '../../../src/timers/contract.ts'
import type { TimerSystem } from '../../../src/timers/keepers.ts'
import { replaceFile } from '../../../src/vault/durable.ts'

/** A machine whose programs are functions: what they were called with, and what they keep. */
export interface FakeSystem extends TimerSystem {
  readonly calls: string[]
  /** Undefined: there is no cron. */
  crontab: string | undefined
  /** systemd's manager of the user answers. */
  hasManager: boolean
  lingers: boolean
  /** What a program says in place of what it would say. */
  readonly answers: Map<string, Partial<ProgramResult>>
  /** Timers and agents that are on. */
  readonly active: Set<string>
  /** Windows' tasks, by their names. */
  readonly tasks: Map<string, string>
}

export function fakeSystem(home: string, own: Partial<TimerSystem> & { crontab?: string } = {}): FakeSystem {
  const units = join(home, '.config/systemd/user')
  const { crontab = '', ...rest } = own
  const programs: Record<string, (args: readonly string[], input: string) => Promise<string | undefined>> = {
    crontab(args, input) {
      if (args[0] === '-l') return Promise.resolve(system.crontab === '' ? undefined : system.crontab)
      system.crontab = args[0] === '-r' ? '' : input
      return Promise.resolve('')
    },
    async systemctl([, verb = '', ...args]) {
      if (verb === 'show-environment') return system.hasManager ? 'LANG=C\n' : undefined
      const timer = args.at(-1) ?? ''
      if (verb === 'restart') system.active.add(timer)
      if (verb === 'disable') system.active.delete(timer)
      if (verb === 'is-active') return system.active.has(timer) ? 'active\n' : undefined
      if (verb === 'list-timers') return system.active.has(timer) ? `- - - ${timer}\n` : ''
      if (verb !== 'cat') return ''
      const texts = await Promise.all(args.map((unit) => readFile(join(units, unit), 'utf8')))
      return texts.map((text, at) => `# ${join(units, args[at] ?? '')}\n${text}`).join('\n')
    },
    loginctl: () => Promise.resolve(`Linger=${system.lingers ? 'yes' : 'no'}\n`),
    launchctl([verb, target = '', file = '']) {
      const label = target.split('/')[2] ?? ''
      if (verb === 'print') return Promise.resolve(system.active.has(label) ? 'state = waiting' : undefined)
      if (verb === 'bootout') system.active.delete(label)
      if (verb === 'bootstrap') system.active.add(file.replace(/^.*\/(.*)\.plist$/, '$1'))
      return Promise.resolve('')
    },
    async schtasks([verb, ...args]) {
      const name = args[args.indexOf('/TN') + 1] ?? ''
      if (verb === '/Create') {
        const xml = await readFile(args[args.indexOf('/XML') + 1] ?? '', 'utf16le')
        // As Windows does: its own layout, and more in it than was given.
        system.tasks.set(
          name,
          xml
            .replaceAll(/>\s+</g, '>\r\n<')
            .replace('<RegistrationInfo>', '<RegistrationInfo>\r\n<Author>PC\\me</Author>')
            .replace('</StartBoundary>', '</StartBoundary>\r\n<Enabled>true</Enabled>'),
        )
        return ''
      }
      if (verb === '/Delete') system.tasks.delete(name)
      if (verb !== '/Query') return ''
      if (!args.includes('/TN'))
        return ['\\Microsoft\\x', ...system.tasks.keys()].map((one) => `"${one}","N/A","Ready"\r\n`).join('')
      return system.tasks.get(name)
    },
  }
  const run: RunProgram = async (program, args, { input = '' }) => {
    const call = [program, ...args].join(' ')
    system.calls.push(call)
    const answer = system.answers.get(call) ?? system.answers.get(program)
    if (answer !== undefined) return { status: 1, stdout: '', stderr: '', ...answer }
    if (program === 'crontab' && system.crontab === undefined)
      return { status: undefined, stdout: '', stderr: '' }
    const stdout = await programs[program]?.(args, input)
    if (stdout !== undefined) return { status: 0, stdout, stderr: '' }
    return { status: 1, stdout: '', stderr: program === 'crontab' ? 'no crontab for me\n' : '' }
  }
  const system: FakeSystem = {
    run,
    put: (path, text) => replaceFile(path, text, 0o644),
    platform: 'linux',
    home,
    user: 'me',
    uid: 501,
    hasSystemd: false,
    zone: 'UTC',
    now: () => new Date('2026-05-01T12:00:00Z'),
    ...rest,
    calls: [],
    crontab,
    hasManager: true,
    lingers: false,
    answers: new Map(),
    active: new Set(),
    tasks: new Map(),
  }
  return system
}
