import type { ArchiveObserver } from '../../../archive/contract.ts'
import { SourceError } from '../../../errors.ts'
import { chooseCompression, compressorArgs } from '../../compression-choice.ts'
import { watchExit } from '../../cut-exit.ts'
import type { CaptureArchive } from '../../contract.ts'
import { SIGPIPE_STATUS, failedStage, parseStreamStatus, streamNonce } from '../../stream-status.ts'
import type { StreamStatus } from '../../stream-status.ts'
import type { Session } from '../talk/connection.ts'

/** What is packed. */
export interface TarWhat {
  readonly part: string
  /** Where NAME is seen from, and what it is; see `redis-tar.sh`. */
  readonly base: string
  readonly name: string
  /** NAME is a symlink that leads to this absolute path; members are named as if it were the directory. */
  readonly linkTo?: string | undefined
  /** Wildcards relative to NAME of what is left out. */
  readonly exclude: readonly string[]
  readonly expectedPlainBytes?: number | undefined
}

/** Names that tar told us about, without their directories' part, as it wrote them. */
export interface TarReport {
  readonly changed: readonly string[]
  readonly vanished: readonly string[]
  /** Did not come, as they may not be read. */
  readonly unreadable: readonly string[]
  readonly sockets: number
}

/** Starts `redis-tar.sh`. `onFinished` gets what tar said, once it is known to have ended well. */
export async function tarArchive(
  session: Session,
  what: TarWhat,
  observer: ArchiveObserver,
  onFinished: (report: TarReport) => void,
): Promise<CaptureArchive> {
  const { context } = session
  const isGnu = context.probe.tar === 'gnu'
  const compression = chooseCompression(context.compression, context.probe)
  const nonce = streamNonce()
  const followed = isGnu && what.linkTo !== undefined ? what.linkTo : undefined
  const name = followed === undefined ? what.name : '.'
  const process = await context.host.spawn(
    {
      script: 'sources/redis/tar',
      patience: 'stream',
      args: [
        ...[nonce, ...compressorArgs(compression, context.probe)],
        isGnu ? 'gnu' : 'other',
        followed ?? what.base,
        name,
        followed === undefined ? '' : `s,^\\.\\(/\\|$\\),${literalReplacement(what.name)}\\1,S`,
        ...what.exclude.map((pattern) => `${literalPattern(name)}/${pattern}`),
      ],
      privilege: context.privilege,
      title: 'tar on the server',
    },
    { signal: context.signal },
  )
  process.stdin.on('error', () => {})
  process.stdin.end()
  let aborted = false
  // Judged in finish().
  const exited = watchExit(process, () => aborted)
  const abort = (): void => {
    aborted = true
    process.kill()
  }
  return {
    part: what.part,
    format: 'tar',
    input: { stream: process.stdout, format: 'tar', ...compression },
    observer,
    expectedPlainBytes: what.expectedPlainBytes,
    abort,
    finish: async () => {
      if (!process.stdout.readableEnded && !aborted) abort()
      const exit = await exited()
      const status = exit && parseStreamStatus(exit.stderr, nonce)
      if (
        aborted &&
        (status === undefined || failedStage(status, ['compress', 'tar'])?.status === SIGPIPE_STATUS)
      )
        return
      if (status === undefined) {
        throw new SourceError('capture-failed', 'tar on the server was cut off', {
          command: 'tar on the server',
          exitStatus: exit?.status,
          stderr: exit?.stderr,
          next: 'Pull again.',
        })
      }
      onFinished(judge(status, isGnu))
    },
  }
}

const CHANGED = /^tar: (.+): (?:file changed as we read it|File shrank by \d+ bytes?; padding with zeros)$/
const VANISHED =
  /^tar: (.+): (?:File removed before we read it|Cannot (?:stat|open): No such file or directory)$/
const SOCKET = /^tar: (.+): socket ignored$/
const DENIED =
  /^(?:tar|find): (?:can't open '|can't stat '|‘|')?(.+?)['’]?: (?:Cannot (?:open|stat|read|savedir): )?Permission denied$/

const SUMMARY =
  /^tar: (?:Exiting with failure status due to previous errors|error exit delayed from previous errors)$/

function judge(status: StreamStatus, isGnu: boolean): TarReport {
  const lines = status.messages.split('\n')
  const named = (pattern: RegExp): string[] =>
    lines.flatMap((line) => {
      const name = pattern.exec(line)?.[1]
      return name === undefined ? [] : [name]
    })
  const denied = named(DENIED)
  const failed = failedStage(status, ['compress', 'tar'])
  const vanished = named(VANISHED)
  const isExplained =
    status.cut === 0 &&
    denied.length > 0 &&
    lines.every(
      (line) => line === '' || [SUMMARY, CHANGED, VANISHED, SOCKET, DENIED].some((one) => one.test(line)),
    )
  // GNU tar's 1 is "some files changed"; 2 is harmless only when files that are gone, or that may not be read, are all
  // there is to it. Busybox tar and find end with 1 for the latter, and xargs of them with more.
  const benign =
    failed === undefined ||
    (failed.stage === 'tar' &&
      ((isGnu && (failed.status === 1 || (failed.status === 2 && vanished.length > 0))) ||
        (isExplained && failed.status < 126)))
  if (!benign) {
    const isTar = failed.stage === 'tar'
    throw new SourceError(
      isTar && failed.status === 127 ? 'no-tar' : 'capture-failed',
      `${isTar ? 'tar' : 'The compressor'} on the server failed with status ${failed.status}`,
      {
        command: isTar ? 'tar on the server' : 'the compressor on the server',
        exitStatus: failed.status,
        stderr: status.messages.trim(),
        next: 'Look into the message above on the server, then pull again.',
      },
    )
  }
  return { changed: named(CHANGED), vanished, unreadable: denied, sockets: named(SOCKET).length }
}

/** How somebody gets to read files of Redis' own user. */
export function readAccess(session: Session): string {
  return session.context.privilege
    ? 'Check on the server what keeps root from reading it (a network file system, a container).'
    : 'Set `sudo: true` for this host, or let this user read the directory (usermod -aG redis USER).'
}

/** A name as a wildcard that matches only itself. */
export function literalPattern(name: string): string {
  return name.replaceAll(/[*?[\]\\]/g, '\\$&')
}

function literalReplacement(name: string): string {
  return name.replaceAll(/[\\&,]/g, '\\$&').replaceAll('\n', '\\n')
}
