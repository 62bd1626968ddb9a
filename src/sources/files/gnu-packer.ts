import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SourceError } from '../../errors.ts'
import type { RemoteProcess } from '../../remote/contract.ts'
import { chooseCompression, compressorArgs } from '../compression-choice.ts'
import type { CaptureContext } from '../contract.ts'
import { watchExit } from '../cut-exit.ts'
import { SIGPIPE_STATUS, failedStage, parseStreamStatus, streamNonce } from '../stream-status.ts'
import { changesInput, latin1Names, nameInput } from './changes-input.ts'
import { gnuRereadArguments, gnuTarArguments, memberOf, rereadName } from './gnu-tar.ts'
import { NOTHING_SAID } from './pass.ts'
import type { Packer, Pass, PassReport } from './pass.ts'
import { commandFailed } from './resolve.ts'
import type { Root } from './roots.ts'
import { parseTarMessages } from './tar-messages.ts'
import type { StreamStatus } from '../stream-status.ts'
import { noTar, unreadable, vanishedSource } from './failures.ts'

/** Packs with GNU tar: one stream, compressed on the server when it can. */
export function gnuPacker(
  context: CaptureContext,
  roots: readonly Root[],
  exclude: readonly string[],
): Packer {
  const deployment = context.probe.deployment ?? '/'
  const compression = chooseCompression(context.compression, context.probe)
  const toTar = (name: string): string => rereadName(name, roots, deployment)

  async function start(
    script: 'files-tar' | 'files-changes',
    tarArguments: readonly string[],
    input: AsyncIterable<Buffer> | undefined,
  ): Promise<Pass> {
    const nonce = streamNonce()
    const process = await context.host.spawn(
      {
        script,
        // What is proven before its tail is sent is hashed in silence.
        patience: script === 'files-changes' ? 'work' : 'stream',
        args: [nonce, ...compressorArgs(compression, context.probe), ...tarArguments],
        privilege: context.privilege,
        title: 'tar on the server',
      },
      { signal: context.signal },
    )
    return tarPass(process, nonce, input)
  }

  function tarPass(process: RemoteProcess, nonce: string, input: AsyncIterable<Buffer> | undefined): Pass {
    const rereading = input !== undefined
    const fed = feed(process, input)
    let aborted = false
    // Judged in finish().
    const exited = watchExit(process, () => aborted)
    const abort = (): void => {
      aborted = true
      process.kill()
    }
    return {
      stream: process.stdout,
      abort,
      finish: async () => {
        if (!process.stdout.readableEnded && !aborted) abort()
        const exit = await exited()
        await fed()
        const status = exit && parseStreamStatus(exit.stderr, nonce)
        if (status === undefined) {
          if (aborted || exit === undefined) return NOTHING_SAID
          throw commandFailed(exit)
        }
        if (status.statuses.get('tar') === 127) throw noTar()
        const messages = parseTarMessages(whole(status))
        const member = (name: string): string => memberOf(name, roots, rereading ? deployment : undefined)
        if (messages.denied.length > 0) {
          throw await unreadable(context, messages.denied.map(member))
        }
        const missing = messages.missing.map(member)
        const lost = roots.find((root) => missing.includes(Buffer.from(root.name).toString('latin1')))
        if (lost !== undefined && !rereading) throw vanishedSource(lost)
        const failed = failedStage(status, [
          'compress',
          'tar',
          ...(status.statuses.has('tails') ? ['tails'] : []),
        ])
        if (failed !== undefined && aborted && failed.status === SIGPIPE_STATUS) return NOTHING_SAID
        if (failed !== undefined && !isBenign(failed, messages, missing)) {
          throw new SourceError(
            'capture-failed',
            failed.stage === 'tar'
              ? `tar on the server failed with status ${failed.status}`
              : `The compressor on the server failed with status ${failed.status}`,
            {
              command: failed.stage === 'tar' ? 'tar on the server' : `${compression.wire} on the server`,
              exitStatus: failed.status,
              stderr: status.messages.trim(),
              next: 'Look into the message above on the server, then pull again.',
            },
          )
        }
        return {
          changed: [...new Set([...messages.changed, ...messages.shrunk].map(member))],
          changedUnlisted: status.cut > 0,
          vanished: [...messages.vanished.map(member), ...missing],
          sockets: messages.sockets.map(member),
          attributes: messages.attributes,
          remarks: messages.others,
          unprovenTails: numbered(status, 'unproven'),
          shortTails: numbered(status, 'short'),
        } satisfies PassReport
      },
    }
  }

  return {
    compression,
    concatenated: false,
    all: () => start('files-tar', gnuTarArguments(roots, exclude, deployment), undefined),
    again: (members) =>
      start('files-tar', gnuRereadArguments(roots, deployment), nameInput(latin1Names(members), toTar)),
    changes: (changes) =>
      start('files-changes', gnuRereadArguments(roots, deployment), changesInput(changes, toTar)),
  }
}

/** Writes what a script reads. The function it returns throws what went wrong on our side. */
function feed(process: RemoteProcess, input: AsyncIterable<Buffer> | undefined): () => Promise<void> {
  // A tar that ended early has closed its stdin; its status tells why.
  process.stdin.on('error', () => {})
  if (input === undefined) {
    process.stdin.end()
    return () => Promise.resolve()
  }
  let failure: unknown
  async function* watched(from: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* from
    } catch (error) {
      failure = error
      process.kill()
      throw error
    }
  }
  const done = pipeline(Readable.from(watched(input), { objectMode: false }), process.stdin).catch(() => {})
  return async () => {
    await done
    if (failure !== undefined) throw failure as Error
  }
}

function numbered(status: StreamStatus, key: string): number[] {
  return status.notes.filter((note) => note.key === key).map((note) => Number(note.value))
}

/** The messages without the line that the limit cut in two. */
function whole({ messages, cut }: StreamStatus): string {
  return cut === 0 ? messages : messages.trimEnd().replace(/\n[^\n]*$/, '')
}

/** 1 is "some files changed"; 2 is fine only when nothing but names that are gone made it so. */
function isBenign(
  failed: { readonly stage: string; readonly status: number },
  messages: { readonly others: readonly string[] },
  missing: readonly string[],
): boolean {
  if (failed.stage !== 'tar') return false
  return failed.status === 1 || (failed.status === 2 && missing.length > 0 && messages.others.length === 0)
}
