import type { ManifestFile } from '../model/snapshot.ts'
import { MANIFEST_FILE } from './paths.ts'

/** The text of SHA256SUMS, as `sha256sum -c` reads it: every file of the snapshot but itself. */
export function formatSums(
  files: readonly Pick<ManifestFile, 'file' | 'sha256'>[],
  manifestHash: string,
): string {
  return [...files, { file: MANIFEST_FILE, sha256: manifestHash }]
    .map(({ file, sha256 }) => `${sha256}  ${file}\n`)
    .sort((a, b) => (sumsFileName(a) < sumsFileName(b) ? -1 : 1))
    .join('')
}

/** The file name in a line. It follows the hash, a space, and the mark for text or binary. */
export function sumsFileName(line: string): string {
  return line.slice(66)
}
