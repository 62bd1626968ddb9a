import type { MigrationPlan } from '../model/migration-report.ts'
import type { RestoreDependencies } from '../restore/dependencies.ts'

/** The parts a migration is wired from: it pulls and restores. */
export interface MigrateDependencies {
  readonly restore: Omit<RestoreDependencies, 'confirm'>
  /** Shows the plan and asks; resolves with whether to go on. */
  readonly confirm: (plan: MigrationPlan) => Promise<boolean>
}
