import { parseFileState } from './file-states.ts'
import type { FileStates } from './file-states.ts'
import { parseRecords } from './records.ts'

/** The settings that say how a Redis persists. */
export const SETTINGS = [
  'dir',
  'dbfilename',
  'appendonly',
  'appenddirname',
  'appendfilename',
  'save',
] as const
export type Setting = (typeof SETTINGS)[number]

/** What `inspect.sh` found. */
export interface Inspection {
  /** Who we are on the server. */
  readonly uid: number
  readonly directory: {
    readonly type: 'missing' | 'directory' | 'other'
    /** With symlinks resolved. */
    readonly real: string
    /** What the path says when it is itself a symlink. */
    readonly link?: string | undefined
    readonly readable: boolean
    readonly writable: boolean
    /** uid */
    readonly owner?: string | undefined
    /** Names directly in it. */
    readonly files: readonly string[]
    readonly unreadable: readonly string[]
    readonly states: FileStates
    /** Of its file system, for us. */
    readonly freeBytes?: number | undefined
    readonly directories: readonly string[]
    /** A directory in it that holds the manifest of a multi-part AOF. */
    readonly manifestDirectory?: string | undefined
  }
  /** What redis-cli says of its version; undefined when it is not there. */
  readonly cli: string | undefined
  /** Pid of a Redis that works in the directory, where we may see it. */
  readonly process?: string | undefined
  /** redis-cli's answer to PING; undefined when it was not asked. */
  readonly ping?: { readonly status: number; readonly answer: string; readonly auth: string } | undefined
  /** Fields of INFO, or why there are none. */
  readonly info: ReadonlyMap<string, string>
  readonly infoRefused?: string | undefined
  /** As CONFIG tells; without it, `dir` as the process and `appendonly` as INFO tells it. */
  readonly settings: Readonly<Partial<Record<Setting, string>>>
  /** Why a setting is not known, as the server said. */
  readonly refused: Readonly<Partial<Record<Setting, string>>>
  /** `dir` with symlinks resolved as seen from the host. */
  readonly dirReal?: string | undefined
  /** Captures that had died were cleared away: how many. */
  readonly settled: number
}

/** Reads the records of `inspect.sh`; undefined when they are not whole. */
export function parseInspection(stdout: Buffer): Inspection | undefined {
  const records = parseRecords(stdout)
  if (records === undefined) return undefined
  const first = new Map<string, string>()
  const all = new Map<string, string[]>()
  for (const [name, value] of records) {
    if (!first.has(name)) first.set(name, value)
    all.set(name, [...(all.get(name) ?? []), value])
  }
  const type = first.get('type')
  const cli = first.get('cli')
  if (!first.has('uid') || type === undefined || cli === undefined) return undefined
  const ping = first.get('ping')
  const info = first.get('info') ?? ''
  const known = info.startsWith('#')
  const fields = known ? parseInfo(info) : new Map<string, string>()
  const named = (prefix: string): Partial<Record<Setting, string>> =>
    Object.fromEntries(
      SETTINGS.flatMap((name) => {
        const value = first.get(`${prefix} ${name}`)
        return value === undefined ? [] : [[name, value]]
      }),
    )
  return {
    uid: Number(first.get('uid')),
    directory: {
      type: type === 'directory' || type === 'missing' ? type : 'other',
      real: first.get('real') ?? '',
      link: first.get('link'),
      readable: first.get('readable') === 'yes',
      writable: first.get('writable') === 'yes',
      owner: first.get('owner') || undefined,
      files: all.get('file') ?? [],
      unreadable: all.get('unreadable') ?? [],
      states: statesOf(all.get('file') ?? [], first.get('states') ?? ''),
      freeBytes: /^\d+$/.test(first.get('free-kib') ?? '') ? Number(first.get('free-kib')) * 1024 : undefined,
      directories: all.get('directory') ?? [],
      manifestDirectory: first.get('manifest'),
    },
    cli: cli === 'missing' ? undefined : cli,
    process: first.get('process'),
    ping:
      ping === undefined
        ? undefined
        : { status: Number(first.get('ping-status')), answer: ping, auth: first.get('auth') ?? '' },
    info: fields,
    infoRefused: known || !first.has('info') ? undefined : info,
    settings: { ...aofEnabled(fields), ...named('process'), ...named('config') },
    refused: named('refused'),
    dirReal: first.get('dir-real'),
    settled: Number(first.get('settled') ?? 0),
  }
}

function statesOf(files: readonly string[], states: string): FileStates {
  const lines = states.split('\n')
  return new Map(
    files.flatMap((name, at) => {
      const state = parseFileState(lines[at] ?? '')
      return state === undefined ? [] : [[name, state]]
    }),
  )
}

function aofEnabled(info: ReadonlyMap<string, string>): { readonly appendonly?: string } {
  const enabled = info.get('aof_enabled')
  return enabled === undefined ? {} : { appendonly: enabled === '1' ? 'yes' : 'no' }
}

/** The fields of an answer to INFO. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}
