import type { Facts, TreeCounts } from '../../model/facts.ts'
import { formatCount, formatSize } from '../../model/units.ts'
import type { KindFacts } from '../kind.ts'

export interface FilesFacts extends Facts, TreeCounts {
  readonly kind: 'files'
}

/** What others are told of a tree's facts. */
export const filesFacts: KindFacts<FilesFacts> = {
  describe: ({ files, directories, bytes }) =>
    `${formatCount(files, 'file')}, ${formatCount(directories, 'directory', 'directories')}, ${formatSize(bytes)}`,
  counts: ({ files, bytes }) => `${formatCount(files, 'file')}, ${formatSize(bytes)}`,
  amount: ({ bytes }) => ({ amount: bytes, unit: 'bytes' }),
}
