import { SourceError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import type { CapturableSource, RestorableSource } from './contract.ts'
import { defaultFiles, filesKind } from './files/kind.ts'
import type { Kind } from './kind.ts'
import { mysqlKind } from './mysql/kind.ts'
import { postgresKind } from './postgres/kind.ts'
import { defaultRedis, redisKind } from './redis/kind.ts'
import { sqliteKind } from './sqlite/kind.ts'
import { volumeKind } from './volume/kind.ts'

// The only place outside of their folders that names kinds.

const kinds = new Map<string, Kind>()

registerKind(filesKind)
registerKind(mysqlKind)
registerKind(postgresKind)
registerKind(redisKind)
registerKind(sqliteKind)
registerKind(volumeKind)

/** The sources of a host that names none; those that exist on the server are meant. */
export const DEFAULT_SOURCES: readonly SourceConfig[] = [...defaultRedis, ...defaultFiles]

/** Adds a kind. It is known to what reads the config from then on, until it is disposed. */
export function registerKind<K extends Kind>(kind: K): Disposable {
  kinds.set(kind.name, kind)
  return { [Symbol.dispose]: () => void kinds.delete(kind.name) }
}

/** All kinds, in the order of their registration. */
export function allKinds(): readonly Kind[] {
  return [...kinds.values()]
}

/** The kind of this name; undefined for one that this version does not know. */
export function findKind(name: unknown): Kind | undefined {
  return typeof name === 'string' ? kinds.get(name) : undefined
}

/** The kind of this name. Throws SourceError `unknown-kind`. */
export function kindOf(name: string): Kind {
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  throw new SourceError('unknown-kind', `this version knows no kind of source that is called ${name}`, {
    next: 'Use the version of relay-backup that made the snapshot, or a newer one.',
  })
}

/** How the files end to which servers of data append what they are told. */
export function logSuffixes(): readonly string[] {
  return allKinds().flatMap(({ engine }) => engine?.log?.suffix ?? [])
}

/** How a kind is captured, loaded when it is first asked for. */
export async function sourceOf(kind: string): Promise<CapturableSource> {
  return await kindOf(kind).capture()
}

/** How a source of a kind is put in its place, loaded when it is first asked for. */
export async function restorableOf(kind: string): Promise<RestorableSource> {
  const { restore } = kindOf(kind)
  if (restore.by === 'place') return await restore.open()
  throw new TypeError(`a ${kind} source is not put in a place`)
}
