import { RelayError } from '../errors.ts'
import type { HostConfig, QuiesceConfig, SourceConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { QuiesceRequest } from '../services/contract.ts'
import { requireShell } from '../runs/access.ts'
import type { Visit } from '../runs/visit.ts'
import { quiesceServices } from '../services/quiesce.ts'
import { settleQuiesced } from '../services/settle-quiesced.ts'

/** Neighbouring sources that have the same quiesce. One stop of its services is enough for all of them. */
export interface QuiescedSources {
  /** Undefined where no service has to. */
  readonly quiesce: QuiesceConfig | undefined
  readonly sources: readonly SourceConfig[]
}

/** The sources in their order, those beside each other that share a quiesce in one group. */
export function groupByQuiesce(sources: readonly SourceConfig[]): readonly QuiescedSources[] {
  const groups: { quiesce: QuiesceConfig | undefined; sources: SourceConfig[] }[] = []
  for (const source of sources) {
    const last = groups.at(-1)
    if (last !== undefined && sameQuiesce(last.quiesce, source.quiesce)) last.sources.push(source)
    else groups.push({ quiesce: source.quiesce, sources: [source] })
  }
  return groups
}

function sameQuiesce(left: QuiesceConfig | undefined, right: QuiesceConfig | undefined): boolean {
  return left?.how === right?.how && left?.services.join('\0') === right?.services.join('\0')
}

/** `while app, worker stand still (paused)`, for a plan. */
export function describeQuiesce({ how, services }: QuiesceConfig): string {
  return `while ${services.join(', ')} ${services.length === 1 ? 'is' : 'are'} ${how === 'stop' ? 'stopped' : 'paused'}`
}

/** What {@link quiesceServices} is asked with. Throws RelayError `needs-shell`. */
export function quiesceRequest({ host, probe, deployment }: Visit, quiesce: QuiesceConfig): QuiesceRequest {
  requireShell(host.name, probe, 'quiesce')
  return { services: host.services, quiesce, deployment, sudo: host.sudo }
}

/**
 * Runs `capture` while the services hold still, and lets them run again behind it, whatever its outcome. Problems of
 * the services are then findings and not errors, because the capture is good. Throws the error that kept them from
 * being held, and what `capture` throws.
 */
export async function whileQuiesced(
  place: Visit,
  quiesce: QuiesceConfig,
  step: (text: string) => void,
  capture: () => Promise<void>,
): Promise<readonly Finding[]> {
  const { signal } = place
  const doing = quiesce.how === 'stop' ? 'stopping' : 'pausing'
  step(`${doing} ${printable(quiesce.services.join(', '))}`)
  await using quiesced = await quiesceServices(place.remote, quiesceRequest(place, quiesce), signal)
  await capture()
  step(
    quiesced.names.length === 0
      ? 'nothing ran that had to hold still'
      : `waiting until ${printable(quiesced.names.join(', '))} runs again`,
  )
  try {
    const { unwell } = await quiesced.resume(signal)
    return unwell === undefined ? [] : [unwellFinding(unwell, place.host)]
  } catch (error) {
    if (!(error instanceof RelayError) || signal.aborted) throw error
    return [{ check: 'services-held', outcome: 'failed', message: error.message, next: error.details.next }]
  }
}

/**
 * Starts again the services that an earlier run has left stopped or paused. It asks only where there is a sign of such a run, or where a
 * source of the host has a quiesce: when the deployment can't be written to, the sign lies elsewhere. The caller has
 * the deployment's lock.
 */
export async function resumeLeftServices(place: Visit): Promise<readonly Finding[]> {
  const { host, remote, probe, signal } = place
  const { deployment } = probe
  if (probe.access === 'sftp') return []
  const expected = probe.quiesced.length > 0 || host.sources.some(({ quiesce }) => quiesce !== undefined)
  if (deployment === undefined || !expected) return []
  const { settled, unwell, failed } = await settleQuiesced(remote, { deployment, sudo: host.sudo, signal })
  return [
    ...(settled.length === 0
      ? []
      : [
          {
            check: 'services-left',
            outcome: 'warning' as const,
            message: `an earlier run was cut off and had left ${settled.join(', ')} stopped or paused; that runs again now`,
          },
        ]),
    ...unwell.map((text) => unwellFinding(text, host)),
    ...failed.map((text) => ({
      check: 'services-held',
      outcome: 'failed' as const,
      message: `an earlier run has left services stopped or paused: ${text}`,
      next: `Start them on ${host.name} by hand now; the next run tries it again`,
    })),
  ]
}

function unwellFinding(text: string, host: HostConfig): Finding {
  return {
    check: 'services-unwell',
    outcome: 'warning',
    message: `${text} after it was held still for the capture`,
    next: `Look at it on ${host.name} now: docker ps, docker logs`,
  }
}
