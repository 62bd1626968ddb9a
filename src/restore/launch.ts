import { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { MigrationRole } from './server/driver.ts'
import type { FoundServices } from './services.ts'

/** How much is started: nothing, the data services, all. */
export type Starts = 'none' | 'data' | 'all'

/** A restore that brings a deployment to a server where it may never have run: a migration's TO. */
export interface Launch {
  /** The migration's, the same on both servers. */
  readonly id: string
  readonly migration: MigrationRole
  /** The services that run there from then on, whatever ran before. */
  readonly found: FoundServices
  readonly start: Starts
  readonly handOver?: HandOver | undefined
}

/** How the other side of a migration gives way (docs/decisions/0007-migration-protocol.md). */
export interface HandOver {
  /** Before anything but the data services starts. Throws when the other side runs again. */
  ready(): Promise<void>
  /** Called when the started services are healthy. Throws when they are not what they should be. Returns findings. */
  accept(remote: RemoteHost): Promise<readonly Finding[]>
  /**
   * The target is healthy: gives the other side up. `keep` tells the target to go on serving whatever happens; both are
   * told at once, so that a client that dies leaves one of them serving. Throws when the other side is to serve, and
   * {@link UndecidedError} when nobody knows.
   */
  decide(keep: () => Promise<void>): Promise<void>
}

/** Nobody knows whether the other side was given up, so nothing may be undone on either side. */
export class UndecidedError extends RelayError {}
