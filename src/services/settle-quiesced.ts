import { RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { fieldsOf } from '../model/talk.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { SettledServices } from './contract.ts'

/**
 * Seconds that a script whose client is gone may take to end by itself: until its lease has been silent for too long,
 * and until its services have started.
 */
const PATIENCE = 150

/**
 * Starts again what an earlier run has left stopped or paused. The caller has the deployment's
 * lock. Throws RemoteError `hold-settle` when that can't be asked.
 */
export async function settleQuiesced(
  host: RemoteHost,
  {
    deployment,
    sudo,
    signal,
  }: { readonly deployment: string; readonly sudo: boolean; readonly signal: AbortSignal },
): Promise<SettledServices> {
  await using lease = await host.lease(
    {
      script: 'services/quiesce-settle',
      patience: 'services',
      args: [deployment, String(PATIENCE)],
      privilege: sudo ? 'sudo' : undefined,
      title: 'looking for services that an earlier run has left stopped or paused',
    },
    { signal },
  )
  const settled: string[] = []
  const unwell: string[] = []
  const failed: string[] = []
  for (;;) {
    const line = await lease.nextLine(signal)
    if (line === undefined) break
    const [verb, ...fields] = fieldsOf(line)
    const text = printable(fields.join(' '))
    if (verb === 'end') return { settled, unwell, failed }
    if (verb === 'settled') settled.push(...(fields[1] ?? '').split(' ').filter((name) => name !== ''))
    if (verb === 'ill') unwell.push(text)
    if (verb === 'failed') failed.push(text)
    if (verb === 'busy')
      failed.push(
        `process ${text} on the server still keeps services stopped or paused, and nobody has the lock`,
      )
  }
  const { status, stderr } = await lease.release()
  throw new RemoteError('hold-settle', 'Looking for services that are held still was cut off', {
    host: host.name,
    exitStatus: status,
    stderr,
    next: 'Run it again',
  })
}
