const DURATION_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/** `20h`, `7d`, `90s`, `1h30m` in milliseconds; `undefined` when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)]
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text) return undefined
  return parts.reduce((sum, part) => sum + Number(part[1]) * (DURATION_MS[part[2] ?? ''] ?? 0), 0)
}

/** Milliseconds for a person: `850 ms`, `12 s`, `3m 20s`, `5h 10m`, `12d 4h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ]
  let rest = Math.round(ms / 1000)
  const parts: string[] = []
  for (const [name, seconds] of units) {
    const count = Math.floor(rest / seconds)
    if (count > 0 || parts.length > 0) parts.push(`${count}${name}`)
    rest -= count * seconds
    if (parts.length === 2) break
  }
  return parts.filter((part, index) => index === 0 || !part.startsWith('0')).join(' ')
}

const SIZE_BYTES: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['B', 1],
  ['KB', 1000],
  ['MB', 1000 ** 2],
  ['GB', 1000 ** 3],
  ['TB', 1000 ** 4],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
])

/** `10MiB`, `500KB`, `1.5GiB` in bytes; `undefined` when it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text)
  const unit = SIZE_BYTES.get(match?.[2] ?? '')
  return match && unit !== undefined ? Math.round(Number(match[1]) * unit) : undefined
}

/** Bytes for a person, in binary units: `512 B`, `3.2 MiB`, `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `1 file`, `1,234 files`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`
}

/** A whole number as `1,234`. Not by toLocaleString: loading the languages takes 30 ms, a tenth of a short command. */
export function formatNumber(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
}
