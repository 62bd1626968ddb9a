import type { ServerServices } from '../../src/model/server-services.ts'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RestorePlacement, UnitCarry } from '../../src/restore/server/driver.ts'
import type { RestoreUnit } from '../../src/restore/server/layout.ts'
import { prepareStaging } from '../../src/restore/server/staging.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { buildHostileTree, readTree } from '../lab/hostile-tree.ts'
import type { TreeNode } from '../lab/hostile-tree.ts'
import { LocalHost } from '../lab/local-host.ts'
import type { LocalHostOptions } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

const run = promisify(execFile)

/** The machines that the scripts must run on. */
export const MACHINES = ['dash with GNU tools', 'busybox alone'] as const
/** `bash`: it is sh on some distributions, and differs in corners. */
export type Machine = (typeof MACHINES)[number] | 'bash'

/** A deployment with an old `data` tree, and a new one for each restore. */
export class RestoreLab implements AsyncDisposable {
  readonly root: string
  readonly deployment: string
  readonly data: string
  readonly #machine: LocalHostOptions
  readonly #dispose: () => PromiseLike<void>
  readonly #mounts: string[] = []
  #restores = 0

  private constructor(root: string, machine: LocalHostOptions, dispose: () => PromiseLike<void>) {
    this.root = root
    this.deployment = `${root}/deployment`
    this.data = `${root}/deployment/data`
    this.#machine = machine
    this.#dispose = dispose
  }

  static async make(machine: Machine, options: { readonly hostile?: boolean } = {}): Promise<RestoreLab> {
    const temp = await tempDir('relay-restore-')
    const where: LocalHostOptions =
      machine === 'busybox alone'
        ? { shell: ['/bin/busybox', 'sh'], path: await busyboxTools(join(temp.path, 'tools')) }
        : machine === 'bash'
          ? { shell: ['bash', '--posix'] }
          : {}
    const lab = new RestoreLab(temp.path, where, () => temp[Symbol.asyncDispose]())
    await mkdir(lab.deployment)
    await lab.makeOld(lab.data, options.hostile === true)
    return lab
  }

  /** A tree with two levels, odd names, owners, modes and times. */
  async makeOld(path: string, hostile = false): Promise<void> {
    await mkdir(join(path, 'logs/deep'), { recursive: true })
    await mkdir(join(path, 'cache'), { recursive: true })
    if (hostile) {
      await mkdir(join(path, 'hostile'))
      await buildHostileTree(join(path, 'hostile'), { sparseBytes: 1024 ** 2 })
    }
    const files: [string, string][] = [
      ['old', 'old'],
      ['both', 'the old one'],
      ['.hidden', 'old'],
      ['..two dots', 'old'],
      ['line\nbreak', 'old'],
      ['logs/app.log', 'old log'],
      ['logs/a.tmp', 'kept'],
      ['logs/line\nbreak.tmp', 'kept too'],
      ['logs/deep/b.tmp', 'kept deep'],
      ['logs/deep/$(touch pwned).tmp', 'kept deep'],
      ['cache/one', 'cached'],
      ['cache/x.tmp', 'cached'],
    ]
    for (const [name, text] of files) await writeFile(join(path, name), text)
    await run('chown', ['-R', '1234:4321', join(path, 'logs')])
    await run('chmod', ['2750', join(path, 'logs/deep')])
    await run('touch', ['-d', '2020-02-02 02:02:02.123456789', join(path, 'logs/deep'), join(path, 'cache')])
    await run('touch', ['-d', '2021-02-02 02:02:02.5', join(path, 'logs'), path])
  }

  async makeNew(path: string): Promise<void> {
    await mkdir(join(path, 'logs'), { recursive: true })
    await writeFile(join(path, 'new'), 'new')
    await writeFile(join(path, 'both'), 'the new one')
    await writeFile(join(path, 'logs/app.log'), 'new log')
    await writeFile(join(path, '-new\n'), 'new')
    // Where only seconds can be compared, a file of this second counts as written after the restore.
    const files = ['new', 'both', 'logs/app.log', '-new\n'].map((name) => join(path, name))
    await run('touch', ['-d', '2018-01-01 00:00:00.25', ...files])
    await run('chmod', ['751', path])
    await run('chown', ['77:88', path])
    await run('touch', ['-d', '2019-01-01 00:00:00.75', join(path, 'logs'), path])
  }

  host(options: { readonly silence?: number } = {}): LocalHost {
    return new LocalHost({ ...this.#machine, ...options })
  }

  /** A placement of one unit, with the new tree unpacked. */
  async stage(
    host: LocalHost,
    options: {
      readonly unit?: Partial<RestoreUnit>
      readonly home?: string
      readonly carry?: UnitCarry
      readonly services?: ServerServices
      readonly absent?: boolean
    } = {},
  ): Promise<RestorePlacement> {
    this.#restores += 1
    const id = `20251120T02${String(this.#restores).padStart(4, '0')}Z`
    const home = options.home ?? `${this.deployment}/.relay-backup`
    const directory = `${home}/restore-${id}/data`
    await prepareStaging(host, {
      deployment: this.deployment,
      id,
      directories: [directory],
      privilege: undefined,
      signal: quiet(),
    })
    if (options.absent !== true) await this.makeNew(`${directory}/data`)
    const unit: RestoreUnit = {
      kind: 'rename',
      target: this.data,
      staged: options.absent === true ? undefined : `${directory}/data`,
      aside: `${home}/rollback-${id}/1`,
      ...options.unit,
    }
    return {
      deployment: this.deployment,
      id,
      units: [{ ...unit, carry: options.carry }],
      services: options.services ?? { manager: 'none' },
      privilege: undefined,
    }
  }

  async mount(path: string, size = '4m'): Promise<void> {
    await mkdir(path, { recursive: true })
    await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'relay-restore-test', path])
    this.#mounts.push(path)
  }

  /** A service of the `command` manager: a real process, whose pid is in a file. */
  service(name = 'service'): TestService {
    return new TestService(join(this.root, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#mounts.reverse()) await run('umount', ['-l', path])
    await this.#dispose()
  }
}

/** A daemon that is started and stopped by lines of sh. */
export class TestService implements AsyncDisposable {
  readonly pidFile: string
  readonly stop: string
  readonly start: string
  readonly status: string
  readonly log: string

  constructor(path: string) {
    this.pidFile = `${path}.pid`
    this.log = `${path}.log`
    const [pid, log] = [this.pidFile, this.log].map((file) => `'${file}'`)
    // One that has ended, and that nobody waits for in a container, is a zombie.
    this.status = `test -e ${pid} && grep -q '^State:.[^ZX]' /proc/"$(cat ${pid})"/status 2>/dev/null`
    this.stop = `echo stop >>${log}; kill "$(cat ${pid})" && rm -f ${pid}`
    this.start = `echo start >>${log}; sleep 1000 & echo $! >${pid}`
  }

  get services(): ServerServices {
    return { manager: 'command', stop: this.stop, start: this.start, status: this.status }
  }

  async begin(): Promise<void> {
    await run('sh', ['-c', `{ ${this.start.replace('&', '>/dev/null 2>&1 &')}; } </dev/null`])
    await writeFile(this.log, '')
  }

  async runs(): Promise<boolean> {
    return run('sh', ['-c', this.status]).then(
      () => true,
      () => false,
    )
  }

  /** What was done to it, in order. */
  async history(): Promise<readonly string[]> {
    return (await readFile(this.log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pid = await readFile(this.pidFile, 'utf8').catch(() => '')
    if (/^\d+\n$/.test(pid)) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    await rm(this.pidFile, { force: true })
  }
}

/** A signal that never comes. */
export function quiet(): AbortSignal {
  return new AbortController().signal
}

export async function treeOf(path: string): Promise<Map<string, TreeNode>> {
  const tree = await readTree(path)
  // Ours, in a target that is a mount point.
  for (const name of tree.keys()) if (/^\.relay-backup(\/|$)/.test(name)) tree.delete(name)
  return tree
}

/** A process; its number alone may be another's a moment later. */
export interface Running {
  readonly pid: number
  /** In ticks since the boot. */
  readonly started: string
}

function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** The processes that a host runs, and all below them. */
export function processesOf(host: LocalHost): readonly Running[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = statOf(Number(name))
      return stat === undefined
        ? []
        : [{ pid: Number(name), parent: Number(stat[1]), started: stat[19] ?? '' }]
    })
  const below = (pid: number): Running[] =>
    all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)])
  const own = new Set([...host.running].map((child) => child.pid))
  return all.filter(({ pid }) => own.has(pid)).flatMap((root) => [root, ...below(root.pid)])
}

/**
 * Kills all that a host runs, as a reboot does. All of it is halted before the first is killed: a script whose child
 * dies alone would see that, and begin to undo.
 */
export async function crash(host: LocalHost, known: readonly Running[] = []): Promise<void> {
  const ended = [...host.running]
    .filter((child) => child.exitCode === null && child.signalCode === null)
    .map((child) => new Promise((resolve) => child.once('exit', resolve)))
  const halted = new Map<string, Running>()
  for (let before = -1; before < halted.size;) {
    before = halted.size
    for (const running of [...known, ...processesOf(host)]) {
      halted.set(`${running.pid} ${running.started}`, running)
      send(running, 'SIGSTOP')
    }
  }
  for (const running of halted.values()) send(running, 'SIGKILL')
  await Promise.all(ended)
}

function send({ pid, started }: Running, signal: NodeJS.Signals): void {
  if (statOf(pid)?.[19] === started) process.kill(pid, signal)
}
