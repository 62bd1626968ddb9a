import { once } from 'node:events'
import { UsageError } from '../errors.ts'
import { pathFromJson, printable } from '../model/path-bytes.ts'
import { isStream } from '../model/snapshot.ts'
import { codeWords } from '../report/format.ts'
import { sourceIndex } from '../restore/contents.ts'
import { readFiles } from '../restore/read-files.ts'
import { dumpName, indexParts, type LookDependencies, type LookedAt } from './dependencies.ts'
import { differs, readDump } from './read-dump.ts'
import { shownAddress, type FoundPath } from './resolve-path.ts'
import { formatCount } from '../model/units.ts'

/**
 * Writes the bytes of one file, or of a dump, as they were captured. They are proven only when it resolved: throws
 * DamageError when they are not what the index says, after some of them were written perhaps. Throws UsageError for what
 * is no file.
 */
export async function catFile(
  at: LookedAt,
  found: FoundPath,
  output: NodeJS.WritableStream,
  dependencies: LookDependencies,
  signal: AbortSignal,
): Promise<void> {
  if (isStream(at.source)) return await catDump(at, found, output, dependencies, signal)
  const member = await fileNamed(at, found, dependencies)
  for await (const piece of readFiles(at, new Set([member]), dependencies, signal)) {
    if (piece.kind === 'bytes') await write(output, piece.bytes)
    if (piece.kind === 'end' && !piece.proven) throw differs(at, member)
  }
}

/** The member that has the content: of a hard link the one that it points to. */
async function fileNamed(
  at: LookedAt,
  { member, type }: FoundPath,
  dependencies: LookDependencies,
): Promise<string> {
  if (type === 'file') return member
  const { snapshot, source } = at
  const where = `${snapshot.host}/${snapshot.id}`
  const shown = shownAddress(source.name, member)
  if (member === '' || type === 'directory') {
    throw new UsageError(`${member === '' ? source.name : shown} is a directory`, {
      source: source.name,
      next: `See what is in it with: relay-backup ls ${where} ${shown}`,
    })
  }
  if (type !== 'hardlink' && type !== 'symlink') {
    throw new UsageError(`${shown} is a ${codeWords(type ?? 'thing')} and has no content`, {
      source: source.name,
    })
  }
  let link = ''
  for await (const entry of sourceIndex(snapshot, source, indexParts(dependencies))) {
    if (entry.link !== undefined && pathFromJson(entry.path).toString('latin1') === member) {
      link = pathFromJson(entry.link).toString('latin1')
    }
  }
  if (type === 'hardlink') return link
  throw new UsageError(`${shown} is a symbolic link to ${printable(Buffer.from(link, 'latin1'))}`, {
    source: source.name,
    next: 'Name the file that it points to',
  })
}

async function catDump(
  at: LookedAt,
  { member }: FoundPath,
  output: NodeJS.WritableStream,
  dependencies: LookDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { source } = at
  const [only] = source.archives
  const archive =
    member === '' && source.archives.length === 1
      ? only
      : source.archives.find((one) => dumpName(one) === member)
  if (archive === undefined) {
    throw new UsageError(`${source.name} has ${formatCount(source.archives.length, 'file')}`, {
      source: source.name,
      next: `Name one of them: ${source.archives.map((one) => `${source.name}:${dumpName(one)}`).join(', ')}`,
    })
  }
  for await (const chunk of readDump(at, archive, dependencies, signal)) await write(output, chunk)
}

async function write(output: NodeJS.WritableStream, bytes: Buffer): Promise<void> {
  if (!output.write(bytes)) await once(output, 'drain')
}
