import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { formatSize } from './units.ts'

/** The errors of a system call that mean a full disk. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

/** True for an error that means that a disk, or a quota of it, is used up. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && FULL.has((error as NodeJS.ErrnoException).code ?? '')
}

/**
 * A tool's own words for a full disk: those of the C library (strerror of ENOSPC and EDQUOT, in English), and those of
 * GNU tar, which speaks of a short write only, when the disk took a part of a block.
 */
export function saysDiskFull(text: string): boolean {
  return /No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes/i.test(text)
}

/**
 * `disk full: PATH (the vault) has 0 B free, and needs about 3.4 MiB more`. `missing` is an estimate in bytes; where it
 * is not known `next` says what did not fit.
 */
export function diskFullMessage(place: {
  readonly host?: string | undefined
  readonly path: string
  /** What the path is to a person. */
  readonly what?: string | undefined
  /** Bytes. */
  readonly free?: number | undefined
  readonly missing?: number | undefined
  /** Bytes that were to be written next, where nothing is known of what follows. */
  readonly next?: number | undefined
}): string {
  const { host, path, what, free, missing, next } = place
  const where = `${path}${what === undefined ? '' : ` (${what})`}`
  const has = free === undefined ? 'has no room left' : `has ${formatSize(free)} free`
  const needs =
    missing !== undefined
      ? `needs about ${formatSize(missing)} more`
      : next !== undefined
        ? `needs ${formatSize(next)} at once, and perhaps more`
        : 'needs more'
  return `disk full${host === undefined ? '' : ` on ${host}`}: ${where} ${has}, and ${needs}`
}

/** Bytes this user may still write on the file system of a path here, or of its nearest ancestor that is there. */
export function freeSpace(path: string): number | undefined {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at)
      return bavail * bsize
    } catch {
      if (at === dirname(at)) return undefined
    }
  }
}
