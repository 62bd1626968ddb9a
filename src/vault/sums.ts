import type { ManifestFile } from './manifest.ts'
import { MANIFEST_FILE } from './paths.ts'

/** The text of SHA256SUMS, as `sha256sum -c` reads it: every file of the snapshot but itself. */
export function formatSums(files: readonly ManifestFile[], manifestHash: string): string {
  return [...files, { file: MANIFEST_FILE, sha256: manifestHash }]
    .map(({ file, sha256 }) => `${sha256}  ${file}\n`)
    .sort((a, b) => (sumsFileName(a) < sumsFileName(b) ? -1 : 1))
    .join('')
}

/** File name to hash. Lines that are not of that form are left out. */
export function parseSums(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => /^[0-9a-f]{64} [ *]./.test(line))
  return new Map(lines.map((line) => [sumsFileName(line), line.slice(0, 64)]))
}

/** The name in one line: behind the hash, a space, and the mark for text or binary. */
export function sumsFileName(line: string): string {
  return line.slice(66)
}
