import { atLeast } from '../../model/version-order.ts'
import type { Family } from './facts.ts'

/** A program or a server, and how old it is. */
export interface Version {
  readonly family: Family
  /** `10.11.6`. */
  readonly version: string
}

/**
 * What a client says to `--version`: undefined where that is none of MySQL or MariaDB. MariaDB's have said
 * `Ver 10.19 Distrib 10.11.6-MariaDB` until 10.x, and `from 11.4.2-MariaDB` since; MySQL's `Ver 14.14 Distrib 5.7.44,`
 * until 5.7, and `Ver 8.0.36 for` since.
 */
export function parseClientVersion(said: string): Version | undefined {
  const found =
    /\bDistrib (\d+\.\d+\.\d+)/.exec(said) ??
    /\bfrom (\d+\.\d+\.\d+)-MariaDB/.exec(said) ??
    /\bVer (\d+\.\d+\.\d+)/.exec(said)
  if (found?.[1] === undefined) return undefined
  return { family: /MariaDB/i.test(said) ? 'MariaDB' : 'MySQL', version: found[1] }
}

/** What a server says of itself: `version()` and `@@version_comment`. Old clients were told 5.5.5 by MariaDB. */
export function parseServerVersion(version: string, comment: string): Version {
  const family = /mariadb/i.test(`${version} ${comment}`) ? 'MariaDB' : 'MySQL'
  const numbers = /(\d+\.\d+(?:\.\d+)?)/.exec(version.replace(/^5\.5\.5-/, ''))
  return { family, version: numbers?.[1] ?? version }
}

/** The client is of an older version than the server. Of the third number nothing depends. */
export function isTooOld(client: Version, server: Version): boolean {
  const named = server.version.split('.').slice(0, 2).join('.')
  return client.family === server.family && !atLeast(client.version, named)
}

/** How a definition is told changes between families and versions. */
export function isSame(one: Version, other: Version): boolean {
  const named = ({ version }: Version): string => version.split('.').slice(0, 2).join('.')
  return one.family === other.family && named(one) === named(other)
}
