import type { HealthConfig } from '../model/config.ts'
import type { RemoteHost } from '../remote/contract.ts'

/**
 * Asks a health URL from the server's side until it answers with a 2xx status or its timeout has passed. Resolves
 * with undefined when it is healthy, else with what was the matter at the last try.
 */
export type WaitHealthy = (
  host: RemoteHost,
  health: HealthConfig,
  signal: AbortSignal,
) => Promise<string | undefined>
