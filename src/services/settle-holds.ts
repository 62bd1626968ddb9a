import { RemoteError } from '../errors.ts'
import { fieldsOf } from '../model/talk.ts'
import { printable } from '../model/path-bytes.ts'
import type { SettleHolds } from './contract.ts'

/**
 * Seconds that a hold whose client is gone may take to end by itself: the silence of the lease, and the start of its
 * services.
 */
const PATIENCE = 150

/** See {@link SettleHolds}. */
export const settleHolds: SettleHolds = async (host, { deployment, sudo, signal }) => {
  await using lease = await host.lease(
    {
      script: 'services/hold-settle',
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
      failed.push(`process ${text} on the server still holds services, and nobody has the lock`)
  }
  const { status, stderr } = await lease.release()
  throw new RemoteError('hold-settle', 'Looking for services that are held still was cut off', {
    host: host.name,
    exitStatus: status,
    stderr,
    next: 'Run it again',
  })
}
