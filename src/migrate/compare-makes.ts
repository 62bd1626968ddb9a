import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { ContainerMake } from '../services/contract.ts'
import type { MigrationRun } from './migration-run.ts'
import { configuredPrivilege } from '../runs/visit.ts'
import { lookAtMakes } from '../services/container-make.ts'
import { formatCount } from '../model/units.ts'

/**
 * Compares the containers that were started on TO with those that ran on FROM. Returns what is worth knowing; throws
 * RelayError `containers-differ` where the app would be another, unless that is accepted. Nothing to compare where no
 * containers run the services.
 */
export async function compareMakes(
  { plan, to, services, makes, images, acceptMissing }: MigrationRun,
  remote: RemoteHost,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (makes.length === 0 || (services.to.manager !== 'compose' && services.to.manager !== 'docker')) return []
  const privilege = configuredPrivilege(to)
  const which =
    services.to.manager === 'compose'
      ? { project: services.to.project }
      : { containers: [...services.to.data, ...services.to.rest] }
  const there = await lookAtMakes(remote, which, { privilege, signal })
  const { differs, other } = differences(makes, there, new Set(images.values()))
  const findings: Finding[] = other.map((text) => ({
    check: 'containers',
    outcome: 'warning',
    message: `not as on ${plan.from}: ${text}`,
  }))
  if (differs.length === 0) return findings
  const message = `the containers on ${plan.to} are not made as those on ${plan.from}: ${differs.join('; ')}`
  const next = `Add the files that say so to hosts.${plan.from}.sources, or correct hosts.${plan.to}.services; if it is meant to be so: --accept-missing`
  if (!acceptMissing) throw new RelayError('containers-differ', message, { host: plan.to, next })
  return [...findings, { check: 'containers', outcome: 'warning', message }]
}

/**
 * How containers differ that are to be the same, for people; `other` is what the plan has said already, or does no
 * harm. Pure. `known` are images that TO was seen to have under FROM's names.
 */
export function differences(
  from: readonly ContainerMake[],
  to: readonly ContainerMake[],
  known: ReadonlySet<string | undefined>,
): { readonly differs: readonly string[]; readonly other: readonly string[] } {
  const differs: string[] = []
  const other: string[] = []
  for (const name of new Set(from.map((one) => one.name))) {
    const [before, after] = [from, to].map((all) => all.filter((one) => one.name === name))
    const [left, right] = [before?.[0], after?.[0]]
    if (left === undefined) continue
    if (right === undefined) {
      differs.push(`${printable(name)} does not run`)
      continue
    }
    if (before?.length !== after?.length)
      other.push(
        `${printable(name)} runs ${formatCount(before?.length ?? 0, 'time')} there, ${formatCount(after?.length ?? 0, 'time')} here`,
      )
    const isSame = left.imageId === right.imageId
    if (!isSame)
      (known.has(right.imageId) ? other : differs).push(`${printable(name)} is of another build of its image`)
    for (const [what, old, now] of [
      ['ports', left.published, right.published],
      ['environment', left.environment, right.environment],
      ['mounts', left.mounts, right.mounts],
    ] as const) {
      const lost = old.filter((one) => !now.includes(one))
      const added = now.filter((one) => !old.includes(one))
      if (lost.length + added.length === 0) continue
      const parts = [
        ...(lost.length > 0 ? [`without ${lost.map(printable).join(', ')}`] : []),
        ...(added.length > 0 ? [`with ${added.map(printable).join(', ')}`] : []),
      ]
      // Another build of an image may bring other variables and volumes of its own.
      const byImage = !isSame && what !== 'ports'
      ;(byImage ? other : differs).push(`${what} of ${printable(name)}: ${parts.join(', ')}`)
    }
  }
  return { differs, other }
}
