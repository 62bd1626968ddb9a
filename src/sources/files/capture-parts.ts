import type { PathFilter } from '../../model/path-filter.ts'
import type { Changes } from '../contract.ts'
import type { LeftOut } from '../tree/left-out.ts'
import type { ListedNames } from '../tree/listed-names.ts'
import type { Packer } from '../tree/pass.ts'
import type { ResolvedRoots } from '../tree/resolve.ts'
import type { Root } from '../tree/roots.ts'

/** The parts of one capture. */
export interface CaptureParts {
  readonly roots: readonly Root[]
  /** Paths of the source that are not there. */
  readonly missing: readonly string[]
  /** Paths of the source that may not be read. */
  readonly unreadable: ResolvedRoots['unreadable']
  readonly packer: Packer
  readonly filter: PathFilter
  /** Known when the first archive is finished. */
  readonly leftOut: LeftOut
  /** What is to be packed; absent where the packer finds it by itself. */
  readonly changes?: Changes
  /** The same, where it has yet to be listed. */
  readonly names?: ListedNames
  /** Nobody else writes to it. */
  readonly isPrivate?: boolean
}
