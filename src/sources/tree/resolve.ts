import { RemoteError, SourceError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import { decodeBytes, wholeRecords } from '../../model/talk.ts'
import type { CommandResult, ExitResult } from '../../remote/contract.ts'
import type { CaptureContext } from '../contract.ts'
import { normaliseRoots } from './roots.ts'
import type { Root } from './roots.ts'
import { inspectOverSftp } from './resolve-sftp.ts'

/** The answer of `resolve.sh` about a path. */
export interface PathReport {
  readonly type: 'missing' | 'denied' | 'dangling' | 'directory' | 'file' | 'fifo' | 'socket' | 'device'
  readonly link: Buffer
  readonly real: Buffer
  readonly readable: boolean
  readonly owner: string
  readonly mode: string
  readonly near: Buffer
  readonly names: readonly Buffer[]
}

type Where = Pick<CaptureContext, 'host' | 'probe' | 'privilege' | 'signal'>

/** The paths of a source on a server. */
export interface ResolvedRoots {
  readonly roots: readonly Root[]
  /** Paths that are not there, beside others that are; as {@link pathOf} writes them, in latin1. */
  readonly missing: readonly string[]
  /** Files that may not be read, beside paths that may. */
  readonly unreadable: readonly Pick<Root, 'name' | 'base'>[]
}

/**
 * Finds out what each configured path is and refuses what can't be captured: SourceError `unreadable`, `not-a-file`,
 * and, when nothing of the source is there, `no-such-path` or `dangling-link`, each naming the path and what to do.
 */
export async function resolveRoots(context: Where, paths: readonly string[]): Promise<ResolvedRoots> {
  const { deployment } = context.probe
  const roots = normaliseRoots(paths, deployment)
  if (deployment === undefined && roots.some((root) => root.base === 'deployment')) {
    throw new SourceError('no-such-path', 'The deployment directory is not there', {
      next: "Check the host's `deployment` in the config.",
    })
  }
  const { uid, reports } = await inspectPaths(context, roots.map(pathOf))
  if (reports.length !== roots.length) throw incomplete()
  const isMissing = (at: number): boolean => ['missing', 'dangling'].includes(reports[at]?.type ?? '')
  const isLocked = (at: number): boolean => reports[at]?.type === 'file' && !reports[at].readable
  const isSomethingThere = roots.some((_root, at) => !isMissing(at))
  const isSomethingReadable = roots.some((_root, at) => !isMissing(at) && !isLocked(at))
  const missing: string[] = []
  const unreadable: Pick<Root, 'name' | 'base'>[] = []
  const found: Root[] = []
  for (const [at, root] of roots.entries()) {
    const report = reports[at]
    if (report === undefined) throw incomplete()
    if (isMissing(at) && isSomethingThere) missing.push(Buffer.from(pathOf(root)).toString('latin1'))
    else if (isLocked(at) && isSomethingReadable) unreadable.push(root)
    else found.push(judge(context, root, report, uid))
  }
  return { roots: found, missing, unreadable }
}

/** The roots that are not there any more. */
export async function lostRoots(context: Where, roots: readonly Root[]): Promise<readonly Root[]> {
  const { reports } = await inspectPaths(context, roots.map(pathOf))
  return roots.filter((_root, at) =>
    ['missing', 'denied', 'dangling'].includes(reports[at]?.type ?? 'missing'),
  )
}

/** Asks the server what these paths are; relative ones are under the deployment. */
export async function inspectPaths(
  { host, probe, privilege, signal }: Where,
  paths: readonly string[],
): Promise<{ readonly uid: number; readonly reports: readonly PathReport[] }> {
  if (probe.access === 'sftp') return inspectOverSftp({ host, probe, signal }, paths)
  const result = await host.run(
    {
      script: 'sources/tree/resolve',
      patience: 'list',
      args: [probe.deployment ?? '/', ...paths],
      privilege,
      title: 'looking at the paths',
    },
    { signal },
  )
  if (result.status !== 0) throw commandFailed(result)
  return parseReports(result.stdout)
}

/** Reads the output of `resolve.sh`. Throws RemoteError when it is cut. */
export function parseReports(output: Buffer): {
  readonly uid: number
  readonly reports: readonly PathReport[]
} {
  const [first, ...records] = wholeRecords(output) ?? []
  if (first?.[0] !== 'uid') throw incomplete()
  const reports = records.map((record): PathReport => {
    const [type, link, real, readable, owner, mode, near, ...names] = record.slice(1).map(decodeBytes)
    if (type === undefined || link === undefined || real === undefined || near === undefined)
      throw incomplete()
    return {
      type: type.toString() as PathReport['type'],
      link,
      real,
      readable: readable?.toString() === 'yes',
      owner: owner?.toString() ?? '',
      mode: mode?.toString() ?? '',
      near,
      names,
    }
  })
  return { uid: Number(first[1]), reports }
}

function judge(
  context: Where,
  root: Root | Pick<Root, 'name' | 'base'>,
  report: PathReport,
  uid: number,
): Root {
  const path = printable(pathOf(root))
  const { access, user } = context.probe
  const name = access === 'shell' && uid === context.probe.uid ? ` (${printable(user)})` : ''
  const who = whoReads(context, uid) + name
  switch (report.type) {
    case 'missing': {
      const names = report.names.map(printable)
      throw new SourceError(
        'no-such-path',
        `${path} does not exist on the server; ${printable(report.near)} has ${
          names.length === 0 ? 'nothing in it' : names.join(', ')
        }`,
        { next: "Correct the source's path in the config, or remove the source." },
      )
    }
    case 'denied':
      throw new SourceError(
        'unreadable',
        `${path} can't be looked at by ${who}: ${printable(report.near)} belongs to uid ${report.owner}, mode ${report.mode}`,
        { next: readAccess(context, report.owner) },
      )
    case 'dangling':
      throw new SourceError(
        'dangling-link',
        `${path} is a symlink to ${printable(report.link)}, which does not exist`,
        { next: 'Repair the symlink on the server, or correct the path in the config.' },
      )
    case 'socket':
    case 'device':
      throw new SourceError(
        'not-a-file',
        `${path} is a ${report.type === 'socket' ? 'socket' : 'device node'}: there is nothing in it to back up`,
        { next: "Correct the source's path in the config." },
      )
    case 'directory':
    case 'file':
    case 'fifo':
      if (!report.readable) {
        throw new SourceError(
          'unreadable',
          `${path} can't be read by ${who}: it belongs to uid ${report.owner}, mode ${report.mode}`,
          { next: readAccess(context, report.owner) },
        )
      }
      return {
        name: root.name,
        base: root.base,
        type: report.type,
        link: report.link.length === 0 ? undefined : { target: report.link, real: report.real },
      }
  }
}

/** Who could not read something; over SFTP nobody tells who we are. */
export function whoReads({ probe }: Pick<CaptureContext, 'probe'>, uid: number): string {
  return probe.access === 'sftp' ? 'the SFTP user' : `uid ${uid}`
}

/** What to do about files that we may not read. */
export function readAccess(context: Pick<CaptureContext, 'probe' | 'privilege'>, owner?: string): string {
  if (context.probe.access === 'sftp')
    return 'Give the SFTP user read access on the server, or use another user.'
  if (context.privilege) return 'Not even root may read this: look at the file system on the server.'
  const someone = owner === undefined || owner === '' ? 'a user who may read them' : `uid ${owner}`
  return `Set \`sudo: true\` for the host (sudo must not ask for a password), connect as ${someone}, or give ${printable(context.probe.user)} read access on the server.`
}

/** The path as configured: relative to the deployment, or absolute. */
export function pathOf(root: Pick<Root, 'name' | 'base'>): string {
  return root.base === 'root' ? `/${root.name}` : root.name
}

/** A script that did not even begin, or was cut off. */
export function commandFailed(result: Pick<CommandResult & ExitResult, 'status' | 'stderr'>): RemoteError {
  if (/^docker: /m.test(result.stderr)) {
    return new RemoteError('helper', 'A helper container did not start on the server', {
      command: 'docker run',
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'See whether containers start there, then try again; or set `sudo: true` for the host.',
    })
  }
  return new RemoteError('script', 'A script on the server ended early', {
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Try again; with --verbose the log has the details.',
  })
}

function incomplete(): RemoteError {
  return new RemoteError('script', "The server's answer about the paths is incomplete", {
    next: 'Try again; with --verbose the log has the details.',
  })
}
