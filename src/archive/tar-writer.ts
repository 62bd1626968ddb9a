import type { EntryType, TarEntry } from './contract.ts'
import { XATTR_PREFIX, encodePaxRecord, encodeXattrName, formatPaxTime } from './pax.ts'
import { BLOCK, FIELDS, checksums, paddingOf } from './tar-header.ts'

const TYPE_FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
}

const SLASH = 0x2f

/**
 * A member's header as it stands in a tar: one ustar block, behind a pax extended header for what ustar can't hold
 * (long names, numbers that are too large, fractions of a second, extended attributes). The content follows it, then
 * {@link tarPadding}.
 */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const records: Buffer[] = []
  const pax = (key: string, value: Buffer | string) => {
    records.push(encodePaxRecord(key, Buffer.from(value)))
  }
  const block = Buffer.alloc(BLOCK)
  const number = (field: 'uid' | 'gid' | 'size', value: number) => {
    if (!putOctal(block, field, value)) pax(field, String(value))
  }

  const name = entry.type === 'directory' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path
  if (!putName(block, name)) pax('path', name)
  if (entry.linkPath && !putText(block, 'linkName', entry.linkPath)) pax('linkpath', entry.linkPath)
  putOctal(block, 'mode', entry.mode)
  number('uid', entry.uid)
  number('gid', entry.gid)
  number('size', entry.size)
  const seconds = entry.mtimeNs / 1_000_000_000n
  if (
    entry.mtimeNs < 0n ||
    entry.mtimeNs % 1_000_000_000n !== 0n ||
    !putOctal(block, 'mtime', Number(seconds))
  ) {
    pax('mtime', formatPaxTime(entry.mtimeNs))
  }
  block.write(TYPE_FLAGS[entry.type], FIELDS.type[0], 'latin1')
  block.write('ustar\x0000', FIELDS.magic[0], 'latin1')
  for (const field of ['uname', 'gname'] as const) {
    const text = Buffer.from(entry[field])
    // One byte less than the field: old readers want the NUL.
    if (text.length >= FIELDS[field][1] || !putText(block, field, text)) pax(field, text)
  }
  putOctal(block, 'deviceMajor', entry.deviceMajor ?? 0)
  putOctal(block, 'deviceMinor', entry.deviceMinor ?? 0)
  for (const [key, value] of entry.xattrs ?? []) pax(XATTR_PREFIX + encodeXattrName(key), value)
  putChecksum(block)

  if (records.length === 0) return block
  const data = Buffer.concat(records)
  return Buffer.concat([paxBlock(data.length), data, tarPadding(data.length), block])
}

/** The zeros that fill up a content of this size to whole blocks. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc(paddingOf(size))
}

function paxBlock(size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  block.write('PaxHeaders/member', FIELDS.name[0], 'latin1')
  for (const field of ['uid', 'gid', 'mtime', 'deviceMajor', 'deviceMinor'] as const)
    putOctal(block, field, 0)
  putOctal(block, 'mode', 0o644)
  putOctal(block, 'size', size)
  block.write('x', FIELDS.type[0], 'latin1')
  block.write('ustar\x0000', FIELDS.magic[0], 'latin1')
  putChecksum(block)
  return block
}

type TextField = 'name' | 'linkName' | 'uname' | 'gname' | 'prefix'

function putText(block: Buffer, field: TextField, text: Buffer): boolean {
  const [start, length] = FIELDS[field]
  if (text.length > length) return false
  text.copy(block, start)
  return true
}

/** Puts the name into `name`, or split at a slash into `prefix` and `name`; false when it fits neither way. */
function putName(block: Buffer, name: Buffer): boolean {
  if (putText(block, 'name', name)) return true
  const slash = name.indexOf(SLASH, Math.max(1, name.length - FIELDS.name[1] - 1))
  if (slash !== -1 && slash < name.length - 1 && slash <= FIELDS.prefix[1]) {
    putText(block, 'prefix', name.subarray(0, slash))
    return putText(block, 'name', name.subarray(slash + 1))
  }
  putText(block, 'name', name.subarray(0, FIELDS.name[1]))
  return false
}

/** Puts an octal number; when the field is too small for it leaves a 0 and says false. */
function putOctal(block: Buffer, field: keyof typeof FIELDS, value: number): boolean {
  const [start, length] = FIELDS[field]
  const digits = value.toString(8)
  const fits = digits.length < length
  block.write((fits ? digits : '0').padStart(length - 1, '0'), start, 'latin1')
  return fits
}

function putChecksum(block: Buffer): void {
  block.write(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, FIELDS.checksum[0], 'latin1')
}
