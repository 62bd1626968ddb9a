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
