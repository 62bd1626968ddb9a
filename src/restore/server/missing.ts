import type { Privilege, RemoteHost } from '../../remote/contract.ts'
import { scriptFailure } from './failure.ts'

/** What a staged tree has and its target lacks. Names are bytes, relative to both; empty means the root itself. */
export interface Missing {
  /** The topmost names only: what is below them is missing with them. */
  readonly names: readonly Buffer[]
  /** A directory on one side and something else on the other: nothing can be added there. */
  readonly conflicts: readonly Buffer[]
}

/** Compares a staged tree with its target on the server; changes nothing. Throws RemoteError. */
export async function findMissing(
  host: RemoteHost,
  options: {
    readonly staged: string
    readonly target: string
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<Missing> {
  const title = 'comparing with what is there'
  const result = await host.run(
    {
      script: 'restore/missing',
      patience: 'work',
      args: [options.staged, options.target],
      privilege: options.privilege,
      title,
    },
    { signal: options.signal },
  )
  if (result.status !== 0) throw scriptFailure(host, title, result)
  return parseMissing(result.stdout)
}

/** Reads what `restore/missing` prints. */
export function parseMissing(stdout: Buffer): Missing {
  const names: Buffer[] = []
  const conflicts: Buffer[] = []
  // Conflicting names are not entered either, because the names below them are of no use.
  const roots = new Set<string>()
  for (let start = 0, end = stdout.indexOf(0); end !== -1; start = end + 1, end = stdout.indexOf(0, start)) {
    const name = Buffer.from(stdout.subarray(start + 1, end))
    if (isBelow(name.toString('latin1'), roots)) continue
    roots.add(name.toString('latin1'))
    if (stdout[start] === 0x6d) names.push(name)
    else conflicts.push(name)
  }
  return { names, conflicts }
}

function isBelow(name: string, roots: ReadonlySet<string>): boolean {
  for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
    if (roots.has(name.slice(0, slash))) return true
  }
  return false
}
