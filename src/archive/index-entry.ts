import { pathFromJson, pathToJson } from '../model/path-bytes.ts'
import type { PathJson } from '../model/path-bytes.ts'
import type {
  EntryType,
  IndexEntry,
  IndexFlag,
  IndexHeader,
  IndexSegment,
  ReadEntry,
  TarEntry,
} from './contract.ts'

/** Where an entry's content is, and the flags to add. */
export interface EntryPlace {
  readonly snapshot: string
  /** Archive file name. */
  readonly archive: string
  readonly flags?: readonly IndexFlag[] | undefined
}

/** A member that was read back, as a line of the index. A file gets one segment: its whole content. */
export function toIndexEntry(entry: ReadEntry, place: EntryPlace): IndexEntry {
  return placeEntry(describeEntry(entry), place)
}

/** The part of an index entry that the archive's own bytes tell. */
export function describeEntry(entry: ReadEntry): IndexEntry {
  const { linkPath, xattrs, sha256 } = entry
  return {
    path: pathToJson(entry.path),
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    owner: entry.uname,
    group: entry.gname,
    size: entry.size,
    mtimeNs: String(entry.mtimeNs),
    ...(linkPath ? { link: pathToJson(linkPath) } : undefined),
    ...(xattrs ? { xattrs: xattrsToJson(xattrs) } : undefined),
    ...(entry.deviceMajor !== undefined && entry.deviceMinor !== undefined
      ? { device: [entry.deviceMajor, entry.deviceMinor] as const }
      : undefined),
    ...(sha256 === undefined ? undefined : { sha256 }),
  }
}

/** Adds where the content of a {@link describeEntry} is. */
export function placeEntry(entry: IndexEntry, { snapshot, archive, flags = [] }: EntryPlace): IndexEntry {
  const { path: member, size: length, sha256 } = entry
  return {
    ...entry,
    ...(sha256 === undefined
      ? undefined
      : { segments: [{ snapshot, archive, member, offset: 0, length, sha256 }] }),
    ...(flags.length === 0 ? undefined : { flags }),
  }
}

/** The member that a line of the index describes: the inverse of {@link describeEntry}. */
export function toTarEntry(entry: IndexEntry): TarEntry {
  const { link, xattrs, device } = entry
  return {
    path: pathFromJson(entry.path),
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    uname: entry.owner,
    gname: entry.group,
    size: entry.type === 'file' ? entry.size : 0,
    mtimeNs: BigInt(entry.mtimeNs),
    ...(link === undefined ? undefined : { linkPath: pathFromJson(link) }),
    ...(xattrs === undefined ? undefined : { xattrs: xattrsFromJson(xattrs) }),
    ...(device === undefined ? undefined : { deviceMajor: device[0], deviceMinor: device[1] }),
  }
}

function xattrsFromJson(xattrs: Readonly<Record<string, string>>): Map<string, Buffer> {
  return new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, 'base64')]))
}

function xattrsToJson(xattrs: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries(Array.from(xattrs, ([name, value]) => [name, value.toString('base64')]))
}

/** Checks a parsed line strictly, unknown keys included; undefined when it is not an index entry. */
export function parseIndexEntry(json: unknown): IndexEntry | undefined {
  return isRecord(json) && hasOnly(json, ENTRY_KEYS) && isEntry(json)
    ? (json as unknown as IndexEntry)
    : undefined
}

/** Checks a parsed first line of format 1; undefined when it is none. */
export function parseIndexHeader(json: unknown): IndexHeader | undefined {
  const valid =
    isRecord(json) &&
    hasOnly(json, ['format', 'source', 'snapshot', 'paths', 'roots']) &&
    json['format'] === 1 &&
    isText(json['source']) &&
    isText(json['snapshot']) &&
    isArrayOf(json['paths'], isText) &&
    isOptional(json['roots'], (roots) => isArrayOf(roots, isRoot))
  return valid ? (json as unknown as IndexHeader) : undefined
}

const ENTRY_TYPES: ReadonlySet<unknown> = new Set<EntryType>([
  'file',
  'directory',
  'symlink',
  'hardlink',
  'fifo',
  'character-device',
  'block-device',
])
const FLAGS: ReadonlySet<unknown> = new Set<IndexFlag>(['torn', 'sparse', 'absolute'])
const ENTRY_KEYS: readonly (keyof IndexEntry)[] = [
  'path',
  'type',
  'mode',
  'uid',
  'gid',
  'owner',
  'group',
  'size',
  'mtimeNs',
  'link',
  'xattrs',
  'device',
  'sha256',
  'segments',
  'flags',
]
const SEGMENT_KEYS: readonly (keyof IndexSegment)[] = [
  'snapshot',
  'archive',
  'member',
  'offset',
  'length',
  'sha256',
]

type JsonRecord = Readonly<Record<string, unknown>>

function isEntry(json: JsonRecord): boolean {
  const type = json['type']
  const isLink = type === 'symlink' || type === 'hardlink'
  const isDevice = type === 'character-device' || type === 'block-device'
  return (
    isPath(json['path']) &&
    ENTRY_TYPES.has(type) &&
    isCount(json['mode']) &&
    json['mode'] <= 0o7777 &&
    isCount(json['uid']) &&
    isCount(json['gid']) &&
    isText(json['owner']) &&
    isText(json['group']) &&
    isCount(json['size']) &&
    isText(json['mtimeNs']) &&
    /^-?\d+$/.test(json['mtimeNs']) &&
    (isLink ? isPath(json['link']) : json['link'] === undefined) &&
    (isDevice ? isDeviceNumber(json['device']) : json['device'] === undefined) &&
    (type === 'file' ? isContent(json) : json['sha256'] === undefined && json['segments'] === undefined) &&
    isOptional(json['xattrs'], (xattrs) => isRecord(xattrs) && Object.values(xattrs).every(isBase64)) &&
    isOptional(json['flags'], (flags) => isArrayOf(flags, (flag) => FLAGS.has(flag)))
  )
}

/**
 * Whether the segments make up the file. A file of several segments may have no hash of its own, because theirs prove
 * it.
 */
function isContent({ size, sha256, segments }: JsonRecord): boolean {
  if (!isArrayOf(segments, isSegment)) return false
  const parts = segments as unknown as readonly IndexSegment[]
  return (
    (sha256 === undefined ? parts.length > 1 : isSha256(sha256)) &&
    parts.reduce((sum, { length }) => sum + length, 0) === size
  )
}

function isSegment(json: unknown): boolean {
  return (
    isRecord(json) &&
    hasOnly(json, SEGMENT_KEYS) &&
    isText(json['snapshot']) &&
    isText(json['archive']) &&
    isPath(json['member']) &&
    isCount(json['offset']) &&
    isCount(json['length']) &&
    isSha256(json['sha256'])
  )
}

function isRoot(json: unknown): boolean {
  return isRecord(json) && hasOnly(json, ['path', 'link']) && isPath(json['path']) && isPath(json['link'])
}

function isDeviceNumber(json: unknown): boolean {
  return isArrayOf(json, isCount) && (json as unknown[]).length === 2
}

/** A name that a file system can hold: not empty and without NUL. */
function isPath(json: unknown): boolean {
  if (typeof json === 'string') return json !== '' && !json.includes('\0')
  if (!isRecord(json) || !hasOnly(json, ['base64']) || !isBase64(json['base64'])) return false
  const bytes = pathFromJson(json as PathJson)
  return bytes.length > 0 && !bytes.includes(0)
}

function isRecord(json: unknown): json is JsonRecord {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function hasOnly(json: JsonRecord, keys: readonly string[]): boolean {
  for (const key in json) if (!keys.includes(key)) return false
  return true
}

function isArrayOf(json: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(json) && json.every(isItem)
}

function isOptional(json: unknown, is: (json: unknown) => boolean): boolean {
  return json === undefined || is(json)
}

function isText(json: unknown): json is string {
  return typeof json === 'string'
}

function isCount(json: unknown): json is number {
  return Number.isSafeInteger(json) && (json as number) >= 0
}

function isSha256(json: unknown): boolean {
  return typeof json === 'string' && /^[0-9a-f]{64}$/.test(json)
}

function isBase64(json: unknown): boolean {
  return typeof json === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(json)
}
