import type { SourceError } from '../../../errors.ts'
import { decodeText, wholeRecords } from '../../../model/talk.ts'
import { parseFileState } from './file-states.ts'
import type { FileStates } from './file-states.ts'

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

/** What a Redis says of itself. */
export interface Told {
  /** Whether it can be asked; why it can't, as an error for the user. */
  readonly state: 'up' | 'stopped' | SourceError
  /** There is no redis-cli where only that reaches it. */
  readonly lacksCli: boolean
  /** Fields of INFO. */
  readonly info: ReadonlyMap<string, string>
  /** As CONFIG tells; without it, `appendonly` as INFO tells it. */
  readonly settings: Readonly<Partial<Record<Setting, string>>>
  /** Why a setting is not known, as the server said. */
  readonly refused: Readonly<Partial<Record<Setting, string>>>
}

/** What a capture that died has left. */
export interface LeftPin {
  readonly id: string
  /** What the setting was that it changed; empty where it changed none. */
  readonly percentage: string
}

/** What was found of a Redis: by asking it, and by looking at its server (`look.sh`). */
export interface Inspection extends Told {
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
  /** Pid of a Redis that works in the directory, where we may see it. */
  readonly process?: string | undefined
  /** `dir` with symlinks resolved as seen from the host. */
  readonly dirReal?: string | undefined
  readonly left: readonly LeftPin[]
}

/** What `look.sh` finds; `processDir` is where the server's process works. */
export type Look = Omit<Inspection, keyof Told> & { readonly processDir?: string | undefined }

/** Reads the records of `look.sh`; undefined when they are not whole. */
export function parseLook(stdout: Buffer): Look | undefined {
  const records = wholeRecords(stdout)?.map(
    ([name = '', ...fields]) => [name, fields.map(decodeText)] as const,
  )
  if (records === undefined) return undefined
  const named = (name: string): readonly (readonly string[])[] =>
    records.flatMap(([own, fields]) => (own === name ? [fields] : []))
  const all = (name: string): readonly string[] => named(name).map(([value = '']) => value)
  const first = (name: string): string | undefined => all(name)[0]
  const [uid, type, freeKib = ''] = [first('uid'), first('type'), first('free-kib')]
  if (uid === undefined || type === undefined) return undefined
  return {
    uid: Number(uid),
    directory: {
      type: type === 'directory' || type === 'missing' ? type : 'other',
      real: first('real') ?? '',
      link: first('link'),
      readable: first('readable') === 'yes',
      writable: first('writable') === 'yes',
      owner: first('owner') || undefined,
      files: all('file'),
      unreadable: all('unreadable'),
      states: statesOf(all('file'), first('states') ?? ''),
      freeBytes: /^\d+$/.test(freeKib) ? Number(freeKib) * 1024 : undefined,
      directories: all('directory'),
      manifestDirectory: first('manifest'),
    },
    process: first('process'),
    processDir: first('process-dir'),
    dirReal: first('dir-real'),
    left: named('pin').map(([id = '', percentage = '']) => ({ id, percentage })),
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

/** The fields of an answer to INFO. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}
