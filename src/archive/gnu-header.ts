import { modeWithoutAcl } from '../model/posix-acl.ts'
import type { TarEntry } from './contract.ts'
import { encodeTarHeader } from './tar-writer.ts'
import { BLOCK, FIELDS, checksums, paddingOf } from './tar-header.ts'

const NANOSECONDS = 1_000_000_000n

/**
 * A member's header in GNU's old dialect, for a tar that ignores pax headers (busybox): long names in `L` and `K`
 * members, large and negative numbers in base 256. Fractions of a second and extended attributes are left out. Where
 * these hold an ACL, the mode gives nobody more than the ACL does.
 */
export function encodeGnuHeader(entry: TarEntry): Buffer {
  const parts: Buffer[] = []
  const name = entry.type === 'directory' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path
  if (name.length > FIELDS.name[1]) parts.push(longMember('L', name))
  const link = entry.linkPath
  if (link !== undefined && link.length > FIELDS.linkName[1]) parts.push(longMember('K', link))

  const seconds = floorSeconds(entry.mtimeNs)
  const plain: TarEntry = {
    ...entry,
    mode: modeWithoutAcl(entry),
    path: shortened(entry.path, FIELDS.name[1] - 1),
    linkPath: link === undefined ? undefined : shortened(link, FIELDS.linkName[1]),
    uname: entry.uname.length < 32 ? entry.uname : '',
    gname: entry.gname.length < 32 ? entry.gname : '',
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: 0n,
    xattrs: undefined,
  }
  const block = encodeTarHeader(plain)
  block.write('ustar  \0', FIELDS.magic[0], 'latin1')
  putNumber(block, 'uid', BigInt(entry.uid))
  putNumber(block, 'gid', BigInt(entry.gid))
  putNumber(block, 'size', BigInt(entry.size))
  putNumber(block, 'mtime', seconds)
  putChecksum(block)
  return Buffer.concat([...parts, block])
}

function longMember(type: 'L' | 'K', text: Buffer): Buffer {
  const data = Buffer.concat([text, Buffer.alloc(1)])
  const block = Buffer.alloc(BLOCK)
  block.write('././@LongLink', FIELDS.name[0], 'latin1')
  putNumber(block, 'mode', 0n)
  putNumber(block, 'uid', 0n)
  putNumber(block, 'gid', 0n)
  putNumber(block, 'size', BigInt(data.length))
  putNumber(block, 'mtime', 0n)
  block.write(type, FIELDS.type[0], 'latin1')
  block.write('ustar  \0', FIELDS.magic[0], 'latin1')
  putChecksum(block)
  return Buffer.concat([block, data, Buffer.alloc(paddingOf(data.length))])
}

function shortened(text: Buffer, length: number): Buffer {
  return text.length <= length ? text : text.subarray(0, length)
}

function floorSeconds(ns: bigint): bigint {
  const seconds = ns / NANOSECONDS
  return ns < 0n && ns % NANOSECONDS !== 0n ? seconds - 1n : seconds
}

function putNumber(block: Buffer, field: 'mode' | 'uid' | 'gid' | 'size' | 'mtime', value: bigint): void {
  const [start, length] = FIELDS[field]
  const digits = value.toString(8)
  if (value >= 0n && digits.length < length) {
    block.write(digits.padStart(length - 1, '0'), start, 'latin1')
    block[start + length - 1] = 0
    return
  }
  let rest = value < 0n ? value + (1n << BigInt(8 * length)) : value
  for (let at = start + length - 1; at >= start; at -= 1) {
    block[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  // The top bit marks base 256; a negative number has it set already.
  block[start] = (block[start] ?? 0) | 0x80
}

function putChecksum(block: Buffer): void {
  block.write(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, FIELDS.checksum[0], 'latin1')
}
