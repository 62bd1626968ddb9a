import type { ArchiveObserver, RecordSorter } from '../../../archive/contract.ts'
import { PathFilter } from '../../../model/path-filter.ts'
import type { CaptureArchive } from '../../contract.ts'
import { LeftOut } from '../../tree/left-out.ts'
import { packerFor, startPass } from '../../tree/packer-for.ts'
import type { PassReport } from '../../tree/pass.ts'
import type { Root } from '../../tree/roots.ts'
import { listedState } from '../talk/file-states.ts'
import type { FileState, FileStates } from '../talk/file-states.ts'
import type { Session } from '../talk/session.ts'

/** A directory of Redis, or a file, to be packed. */
export interface PackedDirectory {
  readonly root: Root
  /** What the name of a root with the base `deployment` is relative to. Absolute. */
  readonly base: string
  /** What is left out, as lines of a `.gitignore` in the root. */
  readonly exclude: readonly string[]
}

/** What was seen while it was packed. Names are members', in latin1. */
export type DirectoryReport = Pick<
  PassReport,
  'changed' | 'changedUnlisted' | 'vanished' | 'unreadable' | 'sockets' | 'attributes' | 'remarks'
>

/** A directory whose entries are known, to be packed once. Dispose it. */
export interface ListedDirectory extends AsyncDisposable {
  /** The files directly in it; undefined where the server's find does not tell. */
  readonly states: FileStates | undefined
  /** Starts to pack it. `onFinished` gets what the server said, once it is known to have ended well. */
  pack(
    part: string,
    observer: ArchiveObserver,
    onFinished: (report: DirectoryReport) => void,
    expectedPlainBytes?: number,
  ): Promise<CaptureArchive>
}

/**
 * Lists a directory, to pack it as a `files` source is packed: all that is listed comes, or is reported as vanished, or
 * the source fails.
 */
export async function listDirectory(
  { context, createSorter }: Session & { readonly createSorter: <T>() => RecordSorter<T> },
  { root, base, exclude }: PackedDirectory,
): Promise<ListedDirectory> {
  const leftOut = new LeftOut()
  const based = { ...context, createSorter, probe: { ...context.probe, deployment: base } }
  const states = new Map<string, FileState>()
  const { packer, names } = packerFor(
    based,
    [root],
    new PathFilter(exclude, [root], base),
    leftOut,
    (entry) => {
      const name = entry.path.toString('utf8')
      const inside = name.startsWith(`${root.name}/`) ? name.slice(root.name.length + 1) : ''
      if (inside === '' || inside.includes('/') || entry.stat.type !== 'file') return
      states.set(inside, listedState(entry))
    },
  )
  const changes = await names?.list()
  return {
    states: names === undefined || !context.probe.findPrintf ? undefined : states,
    [Symbol.asyncDispose]: async () => names?.[Symbol.asyncDispose](),
    pack: async (part, observer, onFinished, expectedPlainBytes) => {
      const pass = await startPass(packer, changes)
      const { compression = packer.compression } = pass
      return {
        part,
        format: 'tar',
        input: { stream: pass.stream, format: 'tar', ...compression, concatenated: packer.concatenated },
        observer: {
          tap: (begun) => observer.tap?.(begun),
          entry: (read) => {
            pass.member?.(read)
            observer.entry?.(read)
          },
        },
        expectedPlainBytes,
        abort: () => pass.abort(),
        finish: async () => {
          const report = await pass.finish()
          onFinished({
            ...report,
            sockets: [...new Set([...leftOut.sockets, ...report.sockets])],
            unreadable: [...new Set([...leftOut.unreadable, ...report.unreadable])],
          })
        },
      }
    },
  }
}

/** A name directly in the root as a line of `.gitignore` that matches only it. */
export function ignoreLine(name: string): string {
  return `/${name.replaceAll(/[*?[\]\\]|\s$/g, '\\$&')}`
}
