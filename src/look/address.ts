import { UsageError } from '../errors.ts'
import { didYouMean } from '../model/nearest.ts'
import { latin1 } from '../model/path-bytes.ts'
import type { ManifestSource } from '../model/snapshot.ts'

/** `SOURCE` or `SOURCE:PATH`, as a person writes it. */
export interface LookAddress {
  readonly source: string
  /** '' for all of the source; without a slash at its end. */
  readonly path: string
}

/** Parses `logs`, `logs:` and `logs:logs/app.log`. Throws UsageError. */
export function parseAddress(text: string): LookAddress {
  const colon = text.indexOf(':')
  const source = colon === -1 ? text : text.slice(0, colon)
  const path = colon === -1 ? '' : text.slice(colon + 1).replace(/\/+$/, '')
  if (source === '' || path.startsWith('/') || path.split('/').some((part) => part === '..')) {
    throw new UsageError(`${text}: not understood`, { next: 'Write it like logs: or logs:logs/app.log' })
  }
  return { source, path }
}

/** The source of this name. Throws UsageError that names the nearest. */
export function sourceNamed(
  { source: wanted }: LookAddress,
  sources: readonly ManifestSource[],
  where: string,
): ManifestSource {
  const found = sources.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  const names = sources.map(({ name }) => name)
  throw new UsageError(`${where} has no source ${wanted}`, {
    next: `${didYouMean(wanted, names)}It has: ${names.join(', ')}`,
  })
}

/**
 * The names that a path may stand for, in latin1, the likeliest first: a member's name as it is in the archive, else
 * relative to one of the source's own paths.
 */
export function candidatesOf(path: string, roots: readonly string[]): string[] {
  const name = latin1(path)
  return [name, ...roots.map((root) => `${root}/${name}`)]
}
