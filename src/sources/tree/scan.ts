import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { RemoteError } from '../../errors.ts'
import type { ListedEntry } from '../../model/listing.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { CaptureContext } from '../contract.ts'
import { rootsByBase, startFind } from './find.ts'
import type { Root } from './roots.ts'
import { ScanParser } from './scan-parser.ts'
import type { OnLeftOut } from './scan-parser.ts'
import type { LeftOut } from './left-out.ts'
import { RootCheck } from './root-check.ts'

/** No list of names packs better than this: bytes out of one, beyond so many that are always taken. */
const MOST_RATIO = 1000
const ALWAYS_PLAIN = 256 * 1024 * 1024

/** Only a find with `-printf` tells ns and inodes; servers without it always get full pulls. */
export function canScan(context: Pick<CaptureContext, 'probe'>): boolean {
  return context.probe.findPrintf && context.probe.tar === 'gnu'
}

/**
 * Lists a source on the server, as the capture packs it, in no order and in constant memory. Entries are proven when
 * the generator ended; what is no part of a backup is in `leftOut` then. Throws SourceError `unreadable`, or
 * `source-vanished` for a root that is not there any more, and RemoteError when the list is not whole or has names that
 * are not below the roots.
 */
export async function* scanFiles(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): AsyncGenerator<ListedEntry> {
  const missing = new RootCheck(roots)
  leftOut.clear()
  for (const here of rootsByBase(roots)) {
    const skip: OnLeftOut = (path, type) => {
      const name = path.toString('latin1')
      if (!filter.excludes(name, false)) leftOut.add(name, type)
    }
    for await (const entry of scanBelow(context, here, { filter, leftOut }, skip)) {
      const name = entry.path.toString('latin1')
      missing.see(name)
      if (!filter.excludes(name, entry.stat.type === 'directory')) yield entry
    }
  }
  missing.end()
}

async function* scanBelow(
  context: CaptureContext,
  roots: readonly Root[],
  { filter, leftOut }: { readonly filter: PathFilter; readonly leftOut: LeftOut },
  onLeftOut: OnLeftOut,
): AsyncGenerator<ListedEntry> {
  const { zstd, gzip } = context.probe.versions
  const tool = zstd !== undefined ? 'zstd' : gzip !== undefined ? 'gzip' : 'none'
  const find = await startFind(context, roots, filter, {
    script: 'sources/tree/scan',
    how: tool,
    leftOut,
    patience: 'list',
  })
  const parser = new ScanParser(onLeftOut)
  let failure: unknown
  try {
    let wire = 0
    if (tool !== 'none') find.stdout.on('data', (chunk: Buffer) => (wire += chunk.length))
    let plain = 0
    for await (const chunk of decoded(find.stdout, tool)) {
      plain += chunk.length
      if (tool !== 'none' && plain > ALWAYS_PLAIN + wire * MOST_RATIO) throw bomb()
      yield* parser.write(chunk)
    }
    parser.end()
  } catch (error) {
    failure = error
  } finally {
    // Also when nobody wants the rest.
    if (failure !== undefined || !find.stdout.readableEnded) find.stop()
  }
  await find.judge(failure)
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
