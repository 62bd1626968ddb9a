import { formatDuration, formatSize } from '../model/units.ts'

/** `3h ago`, `just now`, `in 5m` (a clock that went backwards). Takes the age in ms. */
export function formatAge(ms: number): string {
  if (Math.abs(ms) < 1000) return 'just now'
  return ms < 0 ? `in ${formatDuration(-ms)}` : `${formatDuration(ms)} ago`
}

/** `1 file`, `1,234 files`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`
}

/** A whole number as `1,234`. Not by toLocaleString: loading the languages takes 30 ms, a tenth of a short command. */
export function formatNumber(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** Bytes a second for a person: `5.2 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatSize(bytesPerSecond)}/s`
}

/** A stable code as words: `file-changed` is `file changed`. */
export function codeWords(code: string): string {
  return code.replaceAll('-', ' ')
}
