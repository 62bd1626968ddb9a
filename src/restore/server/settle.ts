import { ConnectionError, LockedError, RemoteError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { ServiceSecret } from '../../model/server-services.ts'
import type { RemoteHost } from '../../remote/contract.ts'
import type { WorkPlace } from '../../runs/visit.ts'
import { secretLines, serviceSecretLines, type LoaderSecret, type UndoResult } from './driver.ts'
import { nextReply } from './replies.ts'

export interface SettleOptions extends WorkPlace {
  readonly id: string
  /** Of the sources that {@link RestoreJournal.secretsOf} names. */
  readonly secrets?: readonly LoaderSecret[] | undefined
  /** Of {@link RestoreJournal.serviceSecrets}. */
  readonly serviceSecrets?: readonly ServiceSecret[] | undefined
}

/**
 * Undoes a restore from its journal, or goes on with undoing it. A restore that was done is undone, too, unless a later
 * restore has replaced the same data. May be repeated. Throws LockedError while the restore's own script still runs, and
 * RemoteError when it was refused.
 */
export async function rollbackRestore(host: RemoteHost, options: SettleOptions): Promise<UndoResult> {
  const { outcome, text, notes, status } = await settle(host, 'rollback', options)
  if (outcome === 'ok') return { outcome: text === 'abandoned' ? 'abandoned' : 'rolled-back', notes }
  if (status === 3) return { outcome: 'stuck', reason: text, notes }
  throw refusal(host, text, status)
}

/**
 * Keeps the new data of a restore that has put it in place and was not committed: starts what ran before. Throws as
 * {@link rollbackRestore} does, and leaves the journal open then.
 */
export async function finishRestore(host: RemoteHost, options: SettleOptions): Promise<void> {
  const { outcome, text, status } = await settle(host, 'finish', options)
  if (outcome !== 'ok') throw refusal(host, text, status)
}

async function settle(
  host: RemoteHost,
  command: 'rollback' | 'finish',
  options: SettleOptions,
): Promise<{ outcome: 'ok' | 'failed'; text: string; notes: readonly string[]; status: number }> {
  const firstLines = [
    ...secretLines(options.secrets ?? []),
    ...serviceSecretLines(options.serviceSecrets ?? []),
  ]
  await using lease = await host.lease(
    {
      script: 'restore/settle',
      patience: 'services',
      args: [options.deployment, options.id, command, String(firstLines.length)],
      privilege: options.privilege,
      title: 'settling the restore',
    },
    { firstLines, signal: options.signal },
  )
  const reply = await nextReply(lease, command, options.signal)
  const { status, stderr } = await lease.release()
  if (reply === undefined) {
    throw new ConnectionError('lost', `Settling the restore on ${host.name} ended before it answered`, {
      host: host.name,
      exitStatus: status,
      stderr,
      next: `Run it again: relay-backup rollback --host ${host.name}`,
    })
  }
  return { outcome: reply.outcome, text: reply.text, notes: reply.notes, status }
}

function refusal(host: RemoteHost, reason: string, status: number): Error {
  const message = `The restore on ${host.name} is not settled: ${printable(reason)}`
  if (status === 5) {
    return new LockedError(message, {
      host: host.name,
      next: 'Wait until it has ended, a minute or two, and try again',
    })
  }
  return new RemoteError('restore-settle', message, {
    host: host.name,
    exitStatus: status,
    next: `Correct the reason on ${host.name}, then run again: relay-backup rollback --host ${host.name}`,
  })
}
