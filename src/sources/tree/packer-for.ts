import type { ListedEntry } from '../../model/listing.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { Changes, PullContext } from '../contract.ts'
import type { CaptureContext } from '../contract.ts'
import { batchPacker } from './batch-packer.ts'
import { gnuPacker } from './gnu-packer.ts'
import type { LeftOut } from './left-out.ts'
import { listNames } from './list-names.ts'
import { ListedNames } from './listed-names.ts'
import { emptyPass } from './pass.ts'
import type { Packer, Pass } from './pass.ts'
import type { Root } from './roots.ts'
import { scanFiles } from './scan.ts'

/** How the trees of a source are packed by the server's own tar. */
export interface TreePacker {
  readonly packer: Packer
  /** The listed names, for a packer that needs them. Dispose it. */
  readonly names?: ListedNames
}

/**
 * Chooses the packer by what the server has: GNU tar is told names, any other tar gets them in batches. `onEntry`: see
 * {@link listPaths}.
 */
export function packerFor(
  context: CaptureContext & Pick<PullContext, 'createSorter'>,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
  onEntry?: (entry: ListedEntry) => void,
): TreePacker {
  if (context.probe.tar !== 'gnu') return { packer: batchPacker(context, roots, filter, leftOut) }
  const names = new ListedNames(context.createSorter(), () =>
    listPaths(context, roots, filter, leftOut, onEntry),
  )
  return { packer: gnuPacker(context, roots), names }
}

/**
 * The names of everything that a tar is to hold, by whatever find the server has; `onEntry` gets more of each where that
 * tells more. Throws as `scanFiles`.
 */
export async function* listPaths(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
  onEntry: (entry: ListedEntry) => void = () => {},
): AsyncGenerator<Buffer> {
  if (!context.probe.findPrintf) {
    yield* listNames(context, roots, filter, leftOut)
    return
  }
  for await (const entry of scanFiles(context, roots, filter, leftOut)) {
    onEntry(entry)
    yield entry.path
  }
}

/** Starts to pack what was listed, or, of a packer that finds it by itself, all. */
export async function startPass(packer: Packer, changes: Changes | undefined): Promise<Pass> {
  if (changes === undefined) {
    if (packer.all === undefined) throw new Error('this packer has to be told what is there')
    return await packer.all()
  }
  if (changes.memberCount + changes.tails.length === 0) return emptyPass(packer.compression.store)
  if (packer.changes === undefined) throw new Error('this packer can not be told what to pack')
  return await packer.changes(changes)
}
