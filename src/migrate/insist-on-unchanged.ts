import { SourceError } from '../errors.ts'
import type { ManifestSource } from '../model/snapshot.ts'
import { restoreContext } from '../restore/preflight.ts'
import { kindOf } from '../sources/registry.ts'
import type { MigrateDependencies } from './dependencies.ts'
import type { MigrationRun } from './migration-run.ts'

/**
 * Counts once more what was dumped on FROM. The writers have stopped, so it is what it was, unless somebody else writes to it: what
 * is written behind the dump would be lost. Throws SourceError `late-writes`.
 */
export async function insistOnUnchanged(
  { from, plan, log }: MigrationRun,
  dumped: readonly ManifestSource[],
  { restore: { pull } }: MigrateDependencies,
  signal: AbortSignal,
): Promise<void> {
  const step = (text: string): void => log.step(plan.from, text)
  const context = restoreContext({ ...from, signal }, { pull }, step)
  for (const { name, kind, facts } of dumped) {
    const { title, restore } = kindOf(kind)
    const config = from.host.sources.find((source) => source.name === name)
    if (restore.by !== 'load' || config === undefined) throw new Error(`${name} was not dumped`)
    step(`counting ${name} once more`)
    const findings = await (await restore.open()).check(context, config, facts)
    const differs = findings.find(({ outcome }) => outcome === 'failed')
    if (differs === undefined) continue
    throw new SourceError(
      'late-writes',
      `somebody who is none of the services of ${plan.from} writes to the ${title} of ${name}: ${differs.message}`,
      {
        host: plan.from,
        source: name,
        next: 'Stop who does (a job, another app, a person), then migrate again: what is written behind the last dump would be lost.',
      },
    )
  }
}
