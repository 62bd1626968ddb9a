import type { ErrorDetails } from '../../errors.ts'
import { chooseCompression, compressorArgs } from '../compression-choice.ts'
import type { CaptureArchive, CaptureContext } from '../contract.ts'
import { watchExit } from '../cut-exit.ts'
import { parseStreamStatus, streamNonce } from '../stream-status.ts'
import type { FoundPlace } from './place.ts'

/** What dumps, and who looks at it. */
export interface DumpProgram {
  /** It runs the program, and compresses what that writes: see `dump_compressed` in database/lib/dump.sh. */
  readonly script: string
  readonly server: FoundPlace & { readonly line: Buffer }
  readonly program: string
  readonly args: readonly string[]
  readonly observer: CaptureArchive['observer']
  /** The error of a program that failed. */
  readonly failure: (exit: {
    readonly status: number
    readonly stderr: string
    readonly command: string
  }) => Error
}

/** How a dump ended whose program says that all is well. What it wrote is still to be proven. */
export interface DumpEnd {
  readonly compressed: boolean
  /** Of an error that says what is wrong with it. */
  readonly details: Pick<ErrorDetails, 'command' | 'exitStatus' | 'stderr'>
}

/** A dump that streams. */
export type StreamedDump = Pick<CaptureArchive, 'input' | 'observer' | 'abort'> & {
  readonly format: 'stream'
  /** Throws what the program failed with. Undefined when it was aborted, or cut off. */
  finish(): Promise<DumpEnd | undefined>
}

/** Streams what a program of the server writes, compressed there. */
export async function streamDump(context: CaptureContext, dump: DumpProgram): Promise<StreamedDump> {
  const { server, program } = dump
  const nonce = streamNonce()
  const compression = chooseCompression(context.compression, context.probe)
  const process = await context.host.spawn(
    {
      script: dump.script,
      patience: 'work',
      args: [nonce, ...compressorArgs(compression, context.probe), ...server.place, program, ...dump.args],
      privilege: server.privilege,
      title: `${program} on the server`,
    },
    { signal: context.signal },
  )
  process.stdin.end(server.line)
  let aborted = false
  const exited = watchExit(process, () => aborted)
  const abort = (): void => {
    aborted = true
    process.kill()
  }
  return {
    format: 'stream',
    input: { stream: process.stdout, format: 'stream', ...compression },
    observer: dump.observer,
    abort,
    finish: async () => {
      if (!process.stdout.readableEnded && !aborted) abort()
      const exit = await exited()
      if (exit === undefined) return undefined
      const status = parseStreamStatus(exit.stderr, nonce)
      const dumped = status?.statuses.get('dump')
      if (dumped !== 0 && !(aborted && status === undefined)) {
        throw dump.failure({
          status: dumped ?? exit.status,
          stderr: status?.messages ?? exit.stderr,
          command: program,
        })
      }
      if (aborted) return undefined
      return {
        compressed: status?.statuses.get('compress') === 0,
        details: { command: program, exitStatus: dumped, stderr: status?.messages.trim() ?? '' },
      }
    },
  }
}
