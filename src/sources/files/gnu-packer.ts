import { SourceError } from '../../errors.ts'
import type { RemoteProcess } from '../../remote/contract.ts'
import { chooseCompression, compressorArgs } from '../compression-choice.ts'
import type { CaptureContext } from '../contract.ts'
import { watchExit } from '../cut-exit.ts'
import { SIGPIPE_STATUS, failedStage, parseStreamStatus, streamNonce } from '../stream-status.ts'
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

  async function start(tarArguments: readonly string[], names?: readonly string[]): Promise<Pass> {
    const nonce = streamNonce()
    const process = await context.host.spawn(
      {
        script: 'files-tar',
        args: [nonce, ...compressorArgs(compression, context.probe), ...tarArguments],
        sudo: context.sudo,
        title: 'tar on the server',
      },
      { signal: context.signal },
    )
    // A tar that ended early has closed its stdin; its status tells why.
    process.stdin.on('error', () => {})
    process.stdin.end(Buffer.from((names ?? []).map((name) => `${name}\0`).join(''), 'latin1'))
    return tarPass(process, nonce, names !== undefined)
  }

  function tarPass(process: RemoteProcess, nonce: string, rereading: boolean): Pass {
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
        const failed = failedStage(status, ['compress', 'tar'])
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
        } satisfies PassReport
      },
    }
  }

  return {
    compression,
    concatenated: false,
    all: () => start(gnuTarArguments(roots, exclude, deployment)),
    again: (members) =>
      start(
        gnuRereadArguments(roots, deployment),
        members.map((name) => rereadName(name, roots, deployment)),
      ),
  }
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
