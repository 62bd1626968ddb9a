import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { RemoteError, SourceError } from '../../errors.ts'
import type { ListedEntry } from '../../model/listing.ts'
import type { CaptureContext } from '../contract.ts'
import { parseStreamStatus, streamNonce } from '../stream-status.ts'
import type { StreamStatus } from '../stream-status.ts'
import { allExcludes, findExcludes, slashExcluder } from './exclude.ts'
import { commandFailed, readAccess } from './resolve.ts'
import type { Root } from './roots.ts'
import { ScanParser } from './scan-parser.ts'

/** No list of names packs better than this: bytes out of one, beyond so many that are always taken. */
const MOST_RATIO = 1000
const ALWAYS_PLAIN = 256 * 1024 * 1024

/** Only a find with `-printf` tells ns and inodes; servers without it always get full pulls. */
export function canScan(context: Pick<CaptureContext, 'probe'>): boolean {
  return context.probe.findPrintf && context.probe.tar === 'gnu'
}

/**
 * Lists a source on the server, as the capture would pack it, in no order and in constant memory. Entries are
 * proven when the generator ended. Throws SourceError `unreadable`, and RemoteError when the list is not whole.
 */
export async function* scanFiles(
  context: CaptureContext,
  roots: readonly Root[],
  exclude: readonly string[],
): AsyncGenerator<ListedEntry> {
  const patterns = allExcludes(exclude)
  const isExcluded = slashExcluder(patterns)
  for (const base of ['deployment', 'root'] as const) {
    const here = roots.filter((root) => root.base === base)
    if (here.length === 0) continue
    for await (const entry of scanBelow(context, here, patterns)) {
      if (!isExcluded(entry.path.toString('latin1'))) yield entry
    }
  }
}

async function* scanBelow(
  context: CaptureContext,
  roots: readonly Root[],
  patterns: readonly string[],
): AsyncGenerator<ListedEntry> {
  const { host, probe, privilege, signal } = context
  const nonce = streamNonce()
  const { zstd, gzip } = probe.versions
  const tool = zstd !== undefined ? 'zstd' : gzip !== undefined ? 'gzip' : 'none'
  const process = await host.spawn(
    {
      script: 'files-scan',
      patience: 'list',
      args: [
        nonce,
        tool,
        roots[0]?.base === 'root' ? '/' : (probe.deployment ?? '/'),
        String(roots.length),
        ...roots.map((root) => (root.name === '' ? '.' : `./${root.name}`)),
        ...findExcludes(patterns),
      ],
      privilege,
      title: 'listing the files',
    },
    { signal },
  )
  process.exit.catch(() => {})
  process.stdin.end()
  const parser = new ScanParser()
  let failure: unknown
  try {
    let wire = 0
    if (tool !== 'none') process.stdout.on('data', (chunk: Buffer) => (wire += chunk.length))
    let plain = 0
    for await (const chunk of decoded(process.stdout, tool)) {
      plain += chunk.length
      if (tool !== 'none' && plain > ALWAYS_PLAIN + wire * MOST_RATIO) throw bomb()
      yield* parser.write(chunk)
    }
    parser.end()
  } catch (error) {
    failure = error
  } finally {
    // Also when nobody wants the rest.
    if (failure !== undefined || !process.stdout.readableEnded) process.kill()
  }
  const exit = await process.exit
  const status = parseStreamStatus(exit.stderr, nonce)
  if (status === undefined) throw failure instanceof RemoteError ? failure : commandFailed(exit)
  judge(status, context)
  if (failure !== undefined) throw failure as Error
}

function bomb(): RemoteError {
  return new RemoteError('listing-too-big', "The server's list of files unpacks to more than any list does", {
    next: 'Look on the server at what its find, zstd and gzip are, then pull again with --full; it needs no list.',
  })
}

function decoded(stream: Readable, tool: 'zstd' | 'gzip' | 'none'): AsyncIterable<Buffer> {
  if (tool === 'none') return stream as AsyncIterable<Buffer>
  const decoder = tool === 'zstd' ? createZstdDecompress() : createGunzip()
  // The parser's end marker proves what Node's decoders don't: that nothing was cut.
  stream.on('error', (error) => decoder.destroy(error))
  return stream.pipe(decoder) as AsyncIterable<Buffer>
}

/** What vanished while find walked is no failure; what may not be read is. */
function judge(status: StreamStatus, context: CaptureContext): void {
  const code = status.statuses.get('find') ?? 255
  const compressor = status.statuses.get('compress') ?? 255
  const lines = status.messages.split('\n').filter((line) => line !== '')
  const gone = lines.every((line) => line.endsWith(': No such file or directory'))
  if (compressor === 0 && (code === 0 || (gone && lines.length > 0))) return
  const denied = lines.some((line) => line.endsWith(': Permission denied'))
  throw new SourceError(
    denied ? 'unreadable' : 'listing-failed',
    denied
      ? `Some directories can't be read by uid ${context.probe.uid}`
      : `find on the server failed with status ${code}`,
    {
      command: 'find on the server',
      exitStatus: code,
      stderr: status.messages.trim(),
      next: denied ? readAccess(context) : 'Look into the message above on the server, then pull again.',
    },
  )
}
