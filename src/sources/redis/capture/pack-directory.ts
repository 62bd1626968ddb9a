import type { ArchiveObserver, RecordSorter } from '../../../archive/contract.ts'
import { PathFilter } from '../../../model/path-filter.ts'
import type { CaptureArchive } from '../../contract.ts'
import { LeftOut } from '../../tree/left-out.ts'
import { packerFor, startPass } from '../../tree/packer-for.ts'
import type { PassReport } from '../../tree/pass.ts'
import type { Root } from '../../tree/roots.ts'
import type { Session } from '../talk/connection.ts'

/** What is packed. */
export interface PackedDirectory {
  readonly part: string
  readonly root: Root
  /** What the name of a root with the base `deployment` is relative to. Absolute. */
  readonly base: string
  /** What is left out, as lines of a `.gitignore` in the root. */
  readonly exclude: readonly string[]
  readonly expectedPlainBytes?: number | undefined
}

/** What was seen while it was packed. Names are members', in latin1. */
export type DirectoryReport = Pick<
  PassReport,
  'changed' | 'changedUnlisted' | 'vanished' | 'sockets' | 'attributes' | 'remarks'
>

/**
 * Packs a directory, or a file, as a `files` source is packed: what is there is listed first, and all of it comes, or
 * is reported as vanished, or the source fails. `onFinished` gets what the server said, once it is known to have ended
 * well; `own` what has to be disposed of at the end.
 */
export async function packDirectory(
  { context, createSorter }: Session & { readonly createSorter: <T>() => RecordSorter<T> },
  what: PackedDirectory,
  observer: ArchiveObserver,
  { onFinished, own }: { onFinished(report: DirectoryReport): void; own(list: AsyncDisposable): void },
): Promise<CaptureArchive> {
  const roots = [what.root]
  const leftOut = new LeftOut()
  const based = { ...context, createSorter, probe: { ...context.probe, deployment: what.base } }
  const { packer, names } = packerFor(based, roots, new PathFilter(what.exclude, roots, what.base), leftOut)
  if (names !== undefined) own(names)
  const pass = await startPass(packer, await names?.list())
  const { compression = packer.compression } = pass
  return {
    part: what.part,
    format: 'tar',
    input: { stream: pass.stream, format: 'tar', ...compression, concatenated: packer.concatenated },
    observer: {
      tap: (begun) => observer.tap?.(begun),
      entry: (read) => {
        pass.member?.(read)
        observer.entry?.(read)
      },
    },
    expectedPlainBytes: what.expectedPlainBytes,
    abort: () => pass.abort(),
    finish: async () => {
      const report = await pass.finish()
      onFinished({ ...report, sockets: [...new Set([...leftOut.sockets, ...report.sockets])] })
    },
  }
}

/** A name directly in the root as a line of `.gitignore` that matches only it. */
export function ignoreLine(name: string): string {
  return `/${name.replaceAll(/[*?[\]\\]|\s$/g, '\\$&')}`
}
