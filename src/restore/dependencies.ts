import type { OpenArchive, PassTree } from '../archive/contract.ts'
import type { Decryptor } from '../crypto/contract.ts'
import type { RelayError } from '../errors.ts'
import type { RestorePlan } from '../model/restore-report.ts'
import type { PullDependencies } from '../pull/dependencies.ts'
import type { RestorableSource } from '../sources/contract.ts'

/** The parts that a restore is wired from. It also pulls, to get a safety snapshot. */
export interface RestoreDependencies {
  readonly pull: PullDependencies
  /** Why nothing can be encrypted, so that there can be no safety snapshot; undefined where it can. */
  readonly cannotEncrypt?: RelayError | undefined
  readonly decryptor: Decryptor
  readonly openArchive: OpenArchive
  readonly passTree: PassTree
  readonly restorableOf: (kind: string) => Promise<RestorableSource>
  /** Shows the plan and asks; resolves with whether to go on. */
  readonly confirm: (plan: RestorePlan) => Promise<boolean>
}
