import type { RestorableSource } from '../contract.ts'

/** Files are put back as they are. Their hashes are proven before, and no engine has to load them. */
export const restorableFiles: RestorableSource = {
  preflight: () => Promise.resolve({ findings: [], notes: [] }),
  check: () => Promise.resolve([]),
}
