import { closest, distance } from 'fastest-levenshtein'
import type { ConfigPath } from './document.ts'

/** Something wrong with the config, before it has a file name and a line. */
export interface Problem {
  readonly path: ConfigPath
  /** What the line number points at: the value (default), or its key. */
  readonly at?: 'key' | 'value' | undefined
  readonly message: string
  readonly suggestion?: string | undefined
}

/** `hosts.prod.sources.config.paths[1]`. */
export function dottedPath(path: ConfigPath): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`))
    .join('')
}

/** The known name that was most likely meant, when one is near enough to be a typo. */
export function didYouMean(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const candidates = known.map((name) => name.toLowerCase())
  const nearest = closest(written.toLowerCase(), candidates)
  const limit = Math.ceil(Math.max(written.length, nearest.length) / 3)
  if (distance(written.toLowerCase(), nearest) > limit) return undefined
  return known[candidates.indexOf(nearest)]
}
