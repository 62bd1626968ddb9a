import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Compression } from '../../model/snapshot.ts'
import { fieldLines, fieldsOf } from '../../model/talk.ts'
import type { Privilege, RemoteHost } from '../../remote/contract.ts'
import { RemoteError } from '../../errors.ts'
import { linesOf } from '../../model/lines.ts'
import { scriptFailure } from './failure.ts'

/**
 * Makes the directories, of mode 0700, that a restore is unpacked into, and the missing part of the deployment's own
 * path. Refuses directories that are there already; with `again` they are those of an earlier unpacking, and are removed
 * first. Throws RemoteError; the end of the restore removes what was made by then.
 */
export async function prepareStaging(
  host: RemoteHost,
  options: {
    readonly deployment: string
    readonly id: string
    readonly directories: readonly string[]
    readonly again?: boolean
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  const result = await host.run(
    {
      script: 'restore/prepare',
      patience: 'work',
      args: [
        options.deployment,
        options.id,
        options.again === true ? 'again' : 'new',
        ...options.directories,
      ],
      privilege: options.privilege,
      title: 'making room for the restore',
    },
    { signal: options.signal },
  )
  if (result.status !== 0) {
    throw scriptFailure(host, 'making room for the restore', { ...result, reason: result.stdout.toString() })
  }
}

export interface UnpackOptions {
  /** From {@link prepareStaging}; empty, but for `again`. */
  readonly directory: string
  /**
   * A second stream with nothing but the directories, deepest first. A tar other than GNU's needs it, for their
   * times and modes.
   */
  readonly again?: boolean
  readonly compression: Compression
  /**
   * What the archive's root is called where it is unpacked. GNU tar only. `member` is one of letters, digits and
   * `_ . / -`, for it goes into a pattern.
   */
  readonly rename?: { readonly member: string; readonly name: string }
  /** Told now and then how many members lie there complete, in the stream's order; GNU tar only. */
  readonly onMembers?: (count: number) => void
  /** Numeric owners as in the archive; needs root there. */
  readonly owners: boolean
  /** xattrs and ACLs; GNU tar only. */
  readonly extras: boolean
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/** A tar that is running on the server. */
export interface Unpack {
  /** The archive goes in here. It fails with EPIPE when tar ended early; `done` then says why. */
  readonly stdin: Writable
  /** Settles after stdin was ended and every stage has. Rejects with RemoteError, or ConnectionError `lost`. */
  readonly done: Promise<void>
  kill(): void
}

/** Starts unpacking a tar stream into a staging directory. */
export async function spawnUnpack(host: RemoteHost, options: UnpackOptions): Promise<Unpack> {
  const process = await host.spawn(
    {
      script: 'restore/unpack',
      patience: 'work',
      args: [
        options.directory,
        options.compression,
        options.owners ? 'owner' : 'mine',
        options.extras ? 'extras' : 'plain',
        options.again === true ? 'again' : 'empty',
        ...(options.rename === undefined ? [] : [options.rename.member, options.rename.name]),
      ],
      privilege: options.privilege,
      title: 'unpacking',
    },
    { signal: options.signal },
  )
  const finish = async (): Promise<void> => {
    const [status, exit] = await Promise.all([follow(process.stdout, options.onMembers), process.exit])
    const statuses = new Map(
      status.map((one) => {
        const [stage = '', code] = one.split('=')
        return [stage, Number(code)]
      }),
    )
    // A decompressor that was cut off only followed tar.
    const bad = ['tar', 'decompress'].find((stage) => statuses.get(stage) !== 0)
    if (bad === undefined && exit.status === 0) return
    throw scriptFailure(host, 'unpacking', {
      status: statuses.get(bad ?? '') ?? exit.status,
      stderr: exit.stderr,
      reason: exit.stderr.split('\n').find((line) => line !== '') ?? '',
    })
  }
  const done = finish()
  // Awaited by the caller after the stream: until then a rejection is not unhandled.
  done.catch(() => {})
  return { stdin: process.stdin, done, kill: () => process.kill() }
}

/** Reads what the script says, tells how far it is, and resolves with its last word, the statuses. */
async function follow(stdout: Readable, onMembers: UnpackOptions['onMembers']): Promise<readonly string[]> {
  let status: readonly string[] = []
  for await (const line of createInterface({ input: stdout })) {
    const [word, ...rest] = fieldsOf(line)
    if (word === 'members') onMembers?.(Number(rest[0]))
    if (word === 'status') status = rest
  }
  return status
}

const NUL = Buffer.from([0])
/** Names leave together: a packet for each takes twice as long as hashing a small file. */
const PACKET_BYTES = 32 * 1024

/** What stands where a file was asked for. */
export type StagedHash = { readonly sha256: string } | 'missing' | 'other' | 'unreadable'

/**
 * The SHA-256 of files below a directory, computed on the server, in the order of the names (bytes, relative).
 * Yields exactly one result a name, or throws RemoteError.
 */
export async function* hashStaged(
  host: RemoteHost,
  options: {
    readonly directory: string
    readonly names: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): AsyncGenerator<StagedHash, void, undefined> {
  const process = await host.spawn(
    {
      script: 'restore/hash',
      patience: 'work',
      args: [options.directory],
      privilege: options.privilege,
      title: 'checking hashes',
    },
    { signal: options.signal },
  )
  let asked = 0
  async function* ended(): AsyncGenerator<Buffer> {
    let held: Uint8Array[] = []
    let bytes = 0
    for await (const name of options.names) {
      asked += 1
      held.push(name, NUL)
      bytes += name.length + 1
      if (bytes < PACKET_BYTES) continue
      yield Buffer.concat(held)
      held = []
      bytes = 0
    }
    yield Buffer.concat(held)
  }
  const sent = pipeline(ended, process.stdin, { signal: options.signal })
  // The count of results shows that sending failed, and the status shows that the script ended early.
  sent.catch(() => {})
  let answered = 0
  try {
    for await (const line of linesOf(process.stdout as AsyncIterable<Buffer>, 'latin1')) {
      answered += 1
      if (answered > asked)
        throw new RemoteError('hash-order', 'The server hashed more files than were asked for')
      yield parseHash(line)
    }
    const exit = await process.exit
    if (exit.status !== 0 || answered !== asked) throw scriptFailure(host, 'checking hashes', exit)
    await sent
  } finally {
    if (answered === 0 || answered !== asked) process.kill()
  }
}

function parseHash(line: string): StagedHash {
  if (/^[0-9a-f]{64}$/.test(line)) return { sha256: line }
  return line === 'missing' || line === 'other' ? line : 'unreadable'
}

/** Digs the holes of these sparse files again; returns how many were treated. One that can't be stays as it is. */
export async function digHoles(
  host: RemoteHost,
  options: {
    readonly directory: string
    readonly names: readonly Uint8Array[]
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<number> {
  if (options.names.length === 0) return 0
  const result = await host.run(
    {
      script: 'restore/dig',
      patience: 'work',
      args: [options.directory],
      privilege: options.privilege,
      title: 'digging holes',
    },
    {
      stdin: Buffer.concat(options.names.flatMap((name) => [name, Buffer.from([0])])),
      signal: options.signal,
    },
  )
  const dug = fieldLines(result.stdout).find(([word]) => word === 'dug')?.[1]
  if (dug === undefined) throw scriptFailure(host, 'digging holes', result)
  return Number(dug)
}
