import type { FilesSourceConfig } from '../../model/config.ts'
import type { RestorableSource } from '../contract.ts'

/** Files are put back as they are. Their hashes are proven before, and no engine has to load them. */
export const restorableFiles: RestorableSource<FilesSourceConfig> = {
  kind: 'files',
  preflight: () => Promise.resolve({ findings: [], notes: [] }),
  arrange: () => Promise.resolve(),
  check: () => Promise.resolve([]),
}
