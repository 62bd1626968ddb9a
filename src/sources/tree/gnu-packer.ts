import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SourceError } from '../../errors.ts'
import type { RemoteProcess } from '../../remote/contract.ts'
import { chooseCompression, compressorArgs } from '../compression-choice.ts'
import type { CaptureContext } from '../contract.ts'
import { watchExit } from '../cut-exit.ts'
import { SIGPIPE_STATUS, failedStage, parseStreamStatus, streamNonce } from '../stream-status.ts'
import { changesInput, latin1Names, nameInput } from './changes-input.ts'
import { ExpectedMembers, missingMembers } from './expected-members.ts'
import { tarNames } from './gnu-tar.ts'
import { NOTHING_SAID } from './pass.ts'
import type { Packer, Pass, PassReport } from './pass.ts'
import { presentNames } from './present-names.ts'
import { commandFailed } from './resolve.ts'
import type { Root } from './roots.ts'
import { parseTarMessages } from './tar-messages.ts'
import type { StreamStatus } from '../stream-status.ts'
import { noTar, refuseRoots, unreadable, vanishedSource } from './failures.ts'

/**
 * Packs the given names with GNU tar: one stream, which the server compresses when it can. Every name becomes a member
 * of the archive, or tar says that it is gone, or the pass fails; and nothing else becomes a member.
 */
export function gnuPacker(context: CaptureContext, roots: readonly Root[]): Packer {
  const compression = chooseCompression(context.compression, context.probe)
  const names = tarNames(roots, context.probe.deployment ?? '/')

  async function start(
    script: 'sources/tree/tar' | 'sources/tree/changes',
    input: AsyncIterable<Buffer>,
    expected: ExpectedMembers,
  ): Promise<Pass> {
    const nonce = streamNonce()
    const process = await context.host.spawn(
      {
        script,
        // The server hashes in silence while it proves a file before its tail is sent.
        patience: script === 'sources/tree/changes' ? 'work' : 'stream',
        args: [nonce, ...compressorArgs(compression, context.probe), ...names.arguments],
        privilege: context.privilege,
        title: 'tar on the server',
      },
      { signal: context.signal },
    )
    return tarPass(process, nonce, input, expected)
  }

  function tarPass(
    process: RemoteProcess,
    nonce: string,
    input: AsyncIterable<Buffer>,
    expected: ExpectedMembers,
  ): Pass {
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
      member: (entry) => expected.take(entry),
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
        const member = (name: string): string => names.toMember(name)
        const denied = messages.denied.map(member)
        await refuseRoots(context, roots, denied)
        const missing = messages.missing.map(member)
        const lost = roots.find((root) => missing.includes(Buffer.from(root.name).toString('latin1')))
        if (lost !== undefined) throw vanishedSource(lost)
        const failed = failedStage(status, [
          'compress',
          'tar',
          ...(status.statuses.has('tails') ? ['tails'] : []),
        ])
        if (failed !== undefined && aborted && failed.status === SIGPIPE_STATUS) return NOTHING_SAID
        if (failed !== undefined && !isBenign(failed, messages, [...missing, ...denied])) {
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
        const report: PassReport = {
          changed: [...new Set([...messages.changed, ...messages.shrunk].map(member))],
          changedUnlisted: status.cut > 0,
          vanished: [...messages.vanished.map(member), ...missing],
          sockets: messages.sockets.map(member),
          unreadable: denied,
          attributes: messages.attributes,
          remarks: messages.others,
          unprovenTails: numbered(status, 'unproven'),
          shortTails: numbered(status, 'short'),
        }
        return aborted ? report : await explainMissing(report, expected)
      },
    }
  }

  /**
   * Throws for what did not come though tar said nothing of it, and for what came though it could not be read. What
   * vanished or could not be read unsaid, since tar's words were cut, is added.
   */
  async function explainMissing(report: PassReport, expected: ExpectedMembers): Promise<PassReport> {
    const { unprovenTails = [] } = report
    const told = new Set([...report.vanished, ...report.sockets, ...report.unreadable])
    const missing = new Set(expected.missing)
    const halfRead = report.unreadable.filter((name) => !missing.has(name))
    if (halfRead.length > 0) throw await unreadable(context, roots, halfRead)
    if (expected.missingTails.size > unprovenTails.length) throw missingMembers([...expected.missingTails])
    const unsaid = expected.missing.filter((name) => !told.has(name))
    if (unsaid.length === 0) return report
    const { present, denied } = report.changedUnlisted
      ? await presentNames(context, roots, unsaid)
      : { present: unsaid, denied: [] }
    if (present.length > 0) throw missingMembers(present)
    await refuseRoots(context, roots, denied)
    const locked = new Set(denied)
    const gone = new Set(unsaid.filter((name) => !locked.has(name)))
    const lost = roots.find((root) => gone.has(Buffer.from(root.name).toString('latin1')))
    if (lost !== undefined) throw vanishedSource(lost)
    return {
      ...report,
      vanished: [...report.vanished, ...gone],
      unreadable: [...report.unreadable, ...denied],
    }
  }

  async function* asked(members: AsyncIterable<Buffer>, expected: ExpectedMembers): AsyncGenerator<Buffer> {
    for await (const member of members) {
      expected.ask(member)
      yield member
    }
  }

  function packed(members: AsyncIterable<Buffer>): Promise<Pass> {
    const expected = new ExpectedMembers()
    return start('sources/tree/tar', nameInput(asked(members, expected), names.toTar), expected)
  }

  return {
    compression,
    concatenated: false,
    again: (members) => packed(latin1Names(members)),
    changes: (changes) => {
      if (changes.tails.length === 0) return packed(changes.members())
      const expected = new ExpectedMembers()
      for (const tail of changes.tails) expected.askTail(tail.member.toString('latin1'))
      const members = () => asked(changes.members(), expected)
      return start('sources/tree/changes', changesInput({ ...changes, members }, names.toTar), expected)
    },
  }
}

/** Writes a script's stdin. The returned function throws the error of our side, if any. */
function feed(process: RemoteProcess, input: AsyncIterable<Buffer>): () => Promise<void> {
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

/** 1 is "some files changed"; 2 is fine only when nothing but names that are gone or may not be read made it so. */
function isBenign(
  failed: { readonly stage: string; readonly status: number },
  messages: { readonly others: readonly string[] },
  explained: readonly string[],
): boolean {
  if (failed.stage !== 'tar') return false
  return failed.status === 1 || (failed.status === 2 && explained.length > 0 && messages.others.length === 0)
}
