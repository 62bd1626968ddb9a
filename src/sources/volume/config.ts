import type { SourceConfig } from '../../model/config.ts'

/** A named volume of Docker. */
export interface VolumeSourceConfig extends SourceConfig {
  readonly kind: 'volume'
  /** Its name, or that of its Compose file. */
  readonly volume: string
  /** Patterns in the syntax of `.gitignore` (path-filter.ts). */
  readonly exclude: readonly string[]
  /** Where it lies on the server, one absolute path; none as long as nobody has asked there. */
  readonly paths: readonly string[]
}
