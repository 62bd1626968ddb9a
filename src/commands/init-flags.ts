import type { IdentityFlags } from './init-identity.ts'

/** The flags of `init` as commander hands them over. `health` is false after `--no-health`. */
export interface InitFlags extends IdentityFlags {
  readonly addHost?: boolean
  readonly name?: string
  readonly fingerprint?: string
  readonly deployment?: string
  readonly source?: readonly string[]
  readonly quiesce?: string
  readonly health?: string | boolean
  readonly retention?: string
  readonly vault?: string
  readonly pull?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}
