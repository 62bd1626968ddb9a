import { formatDuration, formatSize } from '../model/units.ts'

/** `3h ago`, `just now`, `in 5m` (a clock that went backwards). Takes the age in ms. */
export function formatAge(ms: number): string {
  if (Math.abs(ms) < 1000) return 'just now'
  return ms < 0 ? `in ${formatDuration(-ms)}` : `${formatDuration(ms)} ago`
}

/** Bytes a second for a person: `5.2 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`
}

/** A stable code as words: `file-changed` is `file changed`. */
export function codeWords(code: string): string {
  return code.replaceAll('-', ' ')
}
