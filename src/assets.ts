import { readFileSync } from 'node:fs'
import { getRawAsset, isSea } from 'node:sea'

/**
 * The bytes of a file that belongs to the code. It lies beside the code: in src/, or in dist/, where the build puts all
 * code into the topmost directory and such files at their own places; the single executable holds it itself. `path` is
 * relative to that directory, with `../` for the package's.
 */
export function readAsset(path: string): Buffer {
  return isSea() ? Buffer.from(getRawAsset(path)) : readFileSync(new URL(path, import.meta.url))
}
