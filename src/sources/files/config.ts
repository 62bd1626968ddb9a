import type { SourceConfig } from '../../model/config.ts'

/** A tree of files, as the config has it. */
export interface FilesSourceConfig extends SourceConfig {
  readonly kind: 'files'
  /** Relative to the deployment, or absolute. No `..`, no trailing slash. */
  readonly paths: readonly string[]
  /** Patterns in the syntax of `.gitignore` (path-filter.ts). */
  readonly exclude: readonly string[]
  /** SQLite databases are read as any file, also those that do not hold still. */
  readonly sqlite?: 'asFiles'
}
