import { SourceError } from '../../errors.ts'
import { PathFilter } from '../../model/path-filter.ts'
import type { CaptureContext } from '../contract.ts'
import { copyAmongFiles } from '../sqlite/among-files.ts'
import type { Copies } from '../sqlite/copies.ts'
import { batchPacker } from '../tree/batch-packer.ts'
import { gnuPacker } from '../tree/gnu-packer.ts'
import { LeftOut } from '../tree/left-out.ts'
import type { Packer } from '../tree/pass.ts'
import type { Root } from '../tree/roots.ts'

/** Databases as SQLite itself has copied them, to be packed once. Dispose it. Names are members', in latin1. */
export interface CopiedDatabases extends AsyncDisposable {
  readonly names: readonly string[]
  /** These, and their logs as empty files: what is in a log is in the copy. */
  readonly members: readonly string[]
  readonly packer: Packer
  readonly copies: Copies
}

/**
 * Has SQLite copy databases of a source, on its server. `logsOf` is what lies beside each. Undefined where none of them can
 * be copied.
 */
export async function copiedDatabases(
  context: CaptureContext,
  roots: readonly Root[],
  names: readonly string[],
  logsOf: (name: string) => readonly string[],
): Promise<CopiedDatabases | undefined> {
  const files = (members: readonly string[]) => members.flatMap((name) => fileOf(name, roots) ?? [])
  const made = await copyAmongFiles(context, files(names), ({ name }) => files(logsOf(latin1(name))))
  if (made === undefined) return undefined
  const { copies, databases } = made
  const copied = databases.map(({ name }) => latin1(name))
  const members = copied.flatMap((name) => [name, ...logsOf(name)])
  return {
    names: copied,
    members,
    copies,
    packer: packerOf(context, copies.tree, members),
    [Symbol.asyncDispose]: () => copies[Symbol.asyncDispose](),
  }
}

/** Copies went away before they were read. */
export function copiesGone(): SourceError {
  return new SourceError(
    'database-copy',
    'Copies of databases on the server are gone before they were read',
    {
      next: 'Find out what removes things from .relay-backup there, then pull again.',
    },
  )
}

/** Packs copies that lie in a tree of their own, and that nobody writes to. */
function packerOf(context: CaptureContext, tree: string, members: readonly string[]): Packer {
  const based = { ...context, probe: { ...context.probe, deployment: tree } }
  const roots = members.map((name): Root => ({
    name: Buffer.from(name, 'latin1').toString('utf8'),
    base: 'deployment',
    type: 'file',
  }))
  if (based.probe.tar === 'gnu') return gnuPacker(based, roots)
  return batchPacker(based, roots, new PathFilter([], roots, tree), new LeftOut())
}

/** A member as a path of its own; undefined for one that is no text. */
function fileOf(member: string, roots: readonly Root[]): Root | undefined {
  const name = Buffer.from(member, 'latin1').toString('utf8')
  if (latin1(name) !== member) return undefined
  const root = roots.find((one) => one.name === '' || name === one.name || name.startsWith(`${one.name}/`))
  return { name, base: root?.base ?? 'deployment', type: 'file' }
}

function latin1(name: string): string {
  return Buffer.from(name).toString('latin1')
}
