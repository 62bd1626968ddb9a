import { ConnectionError, LockedError, RelayError, RemoteError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { shellRules } from '../../model/path-filter.ts'
import { encodeField, fieldLine } from '../../model/talk.ts'
import type { Secret } from '../../model/secret.ts'
import { serviceLines, type ServerServices, type ServiceSecret } from '../../model/server-services.ts'
import type { Lease, Privilege, RemoteHost } from '../../remote/contract.ts'
import { logSuffixes } from '../../sources/registry.ts'
import { secretsOf } from '../command-services.ts'
import type { RestoreUnit } from './layout.ts'
import type { PathUser } from './look.ts'
import { nextReply } from './replies.ts'
import type { Reply } from './replies.ts'

/** The part of the old tree that moves into the new one, because the snapshot leaves it out. */
export interface UnitCarry {
  /** The unit as a path of the source (`logs`), or below one (`logs/app`), as the target's config names it. */
  readonly member: string
  /** As the source's `exclude`. */
  readonly patterns: readonly string[]
  /** The paths of the source on the target; absent: the unit is the only one. */
  readonly roots?: readonly string[] | undefined
  /** The target's deployment: absolute patterns may name what is in it. */
  readonly deployment?: string | undefined
  /** Names relative to the unit, parents before what is in them. */
  readonly names?: readonly Uint8Array[]
}

/** A side of a migration: FROM is only stopped (it has no units); on TO services start whether they ran or not. */
export interface MigrationRole {
  readonly role: 'from' | 'to' | 'rehearsal'
  /** The other side's name in the config. */
  readonly host: string
}

/** What renames in a server that runs. */
interface Loader {
  readonly script: string
  readonly args: readonly string[]
  /** It puts the new in the place of the old, and back, at once. */
  readonly swaps?: boolean | undefined
}

/** Data in a server that runs: names in it, and what renames them there (restore/scripts/lib/load.sh). */
export interface RestoreLoad {
  readonly target: string
  /** Where it is loaded, beside the target. */
  readonly staged: string
  /** Where the old is kept. */
  readonly aside: string
  /** Where the new goes when the restore is undone. */
  readonly failed: string
  readonly loader: Loader
  /** What the loader reads on its stdin; absent where it takes no secret. */
  readonly secret?: LoaderSecret | undefined
}

/** The secret of a source that was loaded. The journal names the source; only the running script knows the secret. */
export interface LoaderSecret {
  readonly source: string
  readonly secret: Secret
}

/** As restore/scripts/lib/secrets.sh takes them. */
export function secretLines(secrets: readonly LoaderSecret[]): readonly string[] {
  const lines = secrets.map(({ source, secret }) =>
    fieldLine('secret', encodeField(source), encodeField(secret.reveal())),
  )
  return [...new Set(lines)]
}

/** As the lines of the manager `command` find them. Throws RelayError `secret-too-long`. */
export function serviceSecretLines(secrets: readonly ServiceSecret[]): readonly string[] {
  return secrets.map(({ name, secret }) => {
    const line = fieldLine('secret', encodeField(`services:${name}`), encodeField(secret.reveal()))
    if (Buffer.byteLength(line) <= LONGEST) return line
    throw new RelayError('secret-too-long', `The secret ${name} of the services is too long for a variable`, {
      next: 'Let the line read it from a file on the server.',
    })
  })
}

export interface RestorePlacement {
  /** Absolute, symlinks resolved. */
  readonly deployment: string
  /** `[A-Za-z0-9_-]+`, used once. */
  readonly id: string
  readonly units: readonly (RestoreUnit & { readonly carry?: UnitCarry | undefined })[]
  readonly loads?: readonly RestoreLoad[]
  readonly services: ServerServices
  readonly migration?: MigrationRole | undefined
  readonly privilege: Privilege | undefined
}

export type StepResult =
  | { readonly ok: true; readonly notes: readonly string[] }
  | { readonly ok: false; readonly reason: string; readonly notes: readonly string[] }

/** How undoing went. `stuck`: the journal stays open, and a later {@link settleRestore} goes on. */
export type UndoResult =
  | { readonly outcome: 'abandoned' | 'rolled-back'; readonly notes: readonly string[] }
  | { readonly outcome: 'stuck'; readonly reason: string; readonly notes: readonly string[] }

/**
 * The script that puts a restore in place (restore/scripts/run.sh), over its lease. The order of calls: start,
 * begin, stop, swap, startData, startRest, checkRunning as often as wanted, commit. A step that failed says so and
 * leaves everything to `rollback`, which is possible at any time before the commit; so does disposing of the driver,
 * and losing the connection: before `stop` what was unpacked is removed, after it the old data and the services
 * are put back.
 *
 * Every step throws ConnectionError `lost` when the script's end came instead of an answer.
 */
export class RestoreDriver implements AsyncDisposable {
  readonly #host: RemoteHost
  readonly #lease: Lease
  #ended = false

  private constructor(host: RemoteHost, lease: Lease) {
    this.#host = host
    this.#lease = lease
  }

  /** The script was told to commit or to undo, so it answers no more commands. */
  get ended(): boolean {
    return this.#ended
  }

  /** Starts the script and locks the deployment. Throws LockedError when another restore has it. */
  static async start(
    host: RemoteHost,
    placement: RestorePlacement,
    signal: AbortSignal,
  ): Promise<RestoreDriver> {
    const lease = await host.lease(
      {
        script: 'restore/run',
        patience: 'services',
        args: [placement.deployment, placement.id],
        privilege: placement.privilege,
        title: 'putting the restore in place',
      },
      { firstLines: placementLines(placement), signal },
    )
    try {
      const driver = new RestoreDriver(host, lease)
      const locked = await driver.#reply('lock', signal)
      if (locked.outcome === 'ok') return driver
      const { status } = await lease.release()
      const details = {
        host: host.name,
        next: `Wait for it to end, or run: relay-backup rollback --host ${host.name}`,
      }
      if (status === 5) throw new LockedError(`A restore runs on ${host.name}`, details)
      throw new RemoteError('restore-home', `${host.name} can't be restored to: ${printable(locked.text)}`, {
        host: host.name,
        next: 'Make the place writable for the SSH user, or set sudo: true',
      })
    } catch (error) {
      await lease[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Finds out ahead what the start of the services will need: nothing changes, and a failure costs only time later. */
  async ready(signal: AbortSignal): Promise<StepResult> {
    return this.#step('ready', signal)
  }

  /** Opens the journal, and checks every unit's place. */
  async begin(signal: AbortSignal): Promise<StepResult> {
    return this.#step('begin', signal)
  }

  /** Stops those that run and are not data services; `stop` then stops the others. */
  async stopWriters(signal: AbortSignal): Promise<StepResult> {
    return this.#step('stop-writers', signal)
  }

  /** Stops the services that run. `users` are the processes that use a target even so. */
  async stop(
    signal: AbortSignal,
  ): Promise<StepResult & { readonly users: readonly (PathUser & { readonly unit: number })[] }> {
    const reply = await this.#ask('stop', signal)
    const users = reply.users.map(([unit, pid, name]) => ({
      unit: Number(unit),
      pid: Number(pid),
      name: name ?? '?',
    }))
    return { ...stepResult(reply), users }
  }

  /** The old aside, the new in its place. */
  async swap(signal: AbortSignal): Promise<StepResult> {
    return this.#step('swap', signal)
  }

  /**
   * Of a migration, after `startData`: what will be loaded into servers that run by then. Call it before anything is loaded:
   * from here on undoing removes it.
   */
  async declareLoads(loads: readonly RestoreLoad[], signal: AbortSignal): Promise<StepResult> {
    for (const line of loadLines(loads)) this.#lease.send(line)
    return this.#step('load', signal)
  }

  /** In servers that run: the old aside, the new in its place. After `startData`, or, without units, `stopWriters`. */
  async switchLoads(signal: AbortSignal): Promise<StepResult> {
    return this.#step('switch', signal)
  }

  /** Of a migration's TO, after `swap`: makes the containers of all that starts, where there is none yet; starts none. */
  async make(signal: AbortSignal): Promise<StepResult> {
    return this.#step('make', signal)
  }

  /** Starts those of the data services that ran before. */
  async startData(signal: AbortSignal): Promise<StepResult> {
    return this.#step('start-data', signal)
  }

  /** Starts those of the other services that ran before. */
  async startRest(signal: AbortSignal): Promise<StepResult> {
    return this.#step('start-rest', signal)
  }

  /** Fails when a service that was started does not run, or has died in between. */
  async checkRunning(signal: AbortSignal): Promise<StepResult> {
    return this.#step('check-running', signal)
  }

  /** Fails when a service that was stopped runs again. */
  async checkStopped(signal: AbortSignal): Promise<StepResult> {
    return this.#step('check-stopped', signal)
  }

  /** Of a migration's TO: from here on neither disposing of the driver nor its loss undoes anything. */
  async keep(signal: AbortSignal): Promise<StepResult> {
    return this.#step('keep', signal)
  }

  /** Keeps the new data: from here on nothing undoes it by itself. Ends the script when it went well. */
  async commit(signal: AbortSignal): Promise<StepResult> {
    const result = await this.#step('commit', signal)
    if (result.ok) await this.#end()
    return result
  }

  /** Undoes everything, and ends the script. Not interruptible: the server finishes it in any case. */
  async rollback(): Promise<UndoResult> {
    // A signal that has fired must not keep us from hearing how it went.
    const patient = new AbortController().signal
    const reply = await this.#ask('rollback', patient)
    await this.#end()
    return reply.outcome === 'ok'
      ? { outcome: reply.text === 'abandoned' ? 'abandoned' : 'rolled-back', notes: reply.notes }
      : { outcome: 'stuck', reason: reply.text, notes: reply.notes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }

  async #end(): Promise<void> {
    this.#ended = true
    await this.#lease[Symbol.asyncDispose]()
  }

  async #step(command: string, signal: AbortSignal): Promise<StepResult> {
    return stepResult(await this.#ask(command, signal))
  }

  async #ask(command: string, signal: AbortSignal): Promise<Reply> {
    if (this.#ended) throw new Error(`${command} after the end`)
    this.#lease.send(command)
    return this.#reply(command, signal)
  }

  async #reply(command: string, signal: AbortSignal): Promise<Reply> {
    const reply = await nextReply(this.#lease, command, signal)
    if (reply !== undefined) return reply
    throw new ConnectionError('lost', `The restore on ${this.#host.name} ended before it answered`, {
      host: this.#host.name,
      command,
      next: `Run: relay-backup rollback --host ${this.#host.name}`,
    })
  }
}

function stepResult(reply: Reply): StepResult {
  return reply.outcome === 'ok'
    ? { ok: true, notes: reply.notes }
    : { ok: false, reason: reply.text, notes: reply.notes }
}

/** The lines that say what of the old a unit takes over. */
function carryLines(number: string, carry: UnitCarry): readonly string[] {
  const { member, patterns, roots = [member], deployment, names = [] } = carry
  const places = roots.map((path) => ({
    name: path.replace(/^\//, ''),
    base: path.startsWith('/') ? ('root' as const) : ('deployment' as const),
  }))
  const root = places.find(({ name }) => member === name || member.startsWith(`${name}/`))
  const rules = root === undefined ? [] : shellRules(patterns, root, places, deployment)
  const below =
    root === undefined || member === root.name ? '-' : encodeField(member.slice(root.name.length + 1))
  return [
    ...rules.map((rule) => fieldLine('carry', number, below, encodeField(rule))),
    ...names.map((name) => fieldLine('carry-name', number, encodeField(name))),
  ]
}

/** Bytes; see {@link PIECE}. */
const LONGEST = 3900

/** In letters, of at most four bytes each: a line to a leased script has at most 4000 bytes. */
const PIECE = 900

/** A line that may be too long for one, as the script puts it together again. */
function inPieces(line: string): readonly string[] {
  if (Buffer.byteLength(line) <= PIECE) return [line]
  const letters = [...line]
  const pieces: string[] = []
  for (let at = 0; at < letters.length; at += PIECE)
    pieces.push(fieldLine('part', letters.slice(at, at + PIECE).join('')))
  return [...pieces, 'part-end']
}

/** What is loaded into servers that run, and the secrets that it takes. */
function loadLines(loads: readonly RestoreLoad[]): readonly string[] {
  const lines = loads.flatMap(({ target, staged, aside, failed, loader, secret }, at) => {
    const names = [target, staged, aside, failed].map(encodeField)
    const source = secret === undefined ? '-' : encodeField(secret.source)
    const script = [loader.script, ...loader.args].map(encodeField)
    const number = String(at + 1)
    return [
      fieldLine('load', number, ...names, source, ...script),
      ...(loader.swaps === true ? [fieldLine('swaps', number)] : []),
    ]
  })
  return [...secretLines(loads.flatMap(({ secret }) => secret ?? [])), ...lines.flatMap(inPieces)]
}

/** The lines that tell the script what to do, before its first command. */
export function placementLines(
  placement: Pick<RestorePlacement, 'units' | 'loads' | 'services' | 'migration'>,
): readonly string[] {
  const units = placement.units.flatMap(({ kind, target, staged, aside, carry }, at) => {
    const number = String(at + 1)
    const paths = [target, staged, aside].map((path) => (path === undefined ? '-' : encodeField(path)))
    return [
      fieldLine('unit', number, kind, ...paths),
      ...(carry === undefined ? [] : carryLines(number, carry)),
    ]
  })
  const { migration } = placement
  return [
    ...(migration === undefined ? [] : [fieldLine('migration', migration.role, encodeField(migration.host))]),
    ...(migration?.role === 'to' ? logSuffixes().map((suffix) => fieldLine('log', suffix)) : []),
    ...units.flatMap(inPieces),
    ...loadLines(placement.loads ?? []),
    ...serviceSecretLines(secretsOf(placement.services)),
    ...serviceLines(placement.services),
  ]
}
