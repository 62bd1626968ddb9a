import type { RestorePlan } from '../model/restore-report.ts'
import type { SourceToRestore } from './plan.ts'
import type { RestorePlacement } from './server/driver.ts'
import type { StagedGroup } from './stage.ts'

/** Units of one source that lie on one file system are unpacked into one directory. */
export function groupUnits(plan: RestorePlan, sources: readonly SourceToRestore[]): StagedGroup[] {
  const groups = new Map<
    string,
    Pick<SourceToRestore, 'source' | 'archives'> & {
      directory: string
      units: { member: string; name: string }[]
    }
  >()
  for (const [index, unit] of plan.units.entries()) {
    if (unit.onlyAside) continue
    const found = sources.find((one) => one.source.name === unit.source)
    if (found === undefined) continue
    const { source, archives } = found
    const directory = `${unit.base}/restore-${plan.id}/${unit.source}`
    const group = groups.get(directory) ?? { source, archives, directory, units: [] }
    group.units.push({ member: unit.member, name: String(index + 1) })
    groups.set(directory, group)
  }
  return [...groups.values()]
}

/** The plan's units as the server's script puts them in place. */
export function placedUnits(plan: RestorePlan, groups: readonly StagedGroup[]): RestorePlacement['units'] {
  return plan.units.map((unit, index) => {
    const name = String(index + 1)
    const group = groups.find(
      (one) => one.source.name === unit.source && one.units.some((other) => other.name === name),
    )
    return {
      kind: unit.kind,
      target: unit.target,
      staged: unit.onlyAside ? undefined : `${group?.directory ?? ''}/${name}`,
      aside: `${unit.base}/rollback-${plan.id}/${name}`,
      ...(unit.carry.length === 0
        ? {}
        : { carry: { member: unit.member, ...unit.carryFrom, patterns: unit.carry } }),
    }
  })
}
