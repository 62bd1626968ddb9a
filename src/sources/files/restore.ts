import type { RestorableSource } from '../contract.ts'

/** Files are put back as they are: their hashes are proven before, and nothing runs on them by itself. */
export const restorableFiles: RestorableSource = {
  preflight: () => Promise.resolve({ findings: [], notes: [] }),
  check: () => Promise.resolve([]),
}
