import type { RelayError } from '../errors.ts'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'

/** A path, with a slash in it, or a name of a file: with an extension, or hidden. */
const PATH = /(?<=^|[\s"'`(:=,])[^\s"'`(),;:=]*\/[^\s"'`(),;]*/g
const FILE =
  /(?<=^|[\s"'`(:=,])(?:[^\s"'`(),;:/]+\.[A-Za-z][A-Za-z0-9]{0,7}|\.[A-Za-z][^\s"'`(),;:/]*)(?=$|[\s"'`),;:.])/g

/**
 * A message without names of files: each path, and each word that looks like the name of a file, is `…`. The history is
 * read by more people and programs than the server's files are meant for. `kept` are names of hosts;
 * a snapshot of theirs stays, too.
 */
export function withoutFileNames(message: string, kept: readonly string[]): string {
  return message
    .replaceAll(PATH, (path) =>
      path === '/' || kept.includes(path) || isSnapshotOf(path, kept) ? path : '…',
    )
    .replaceAll(FILE, (name) => (kept.includes(name) ? name : '…'))
}

/** `host/latest` or `host/20260303T120000Z`, with what ends the sentence behind it. */
function isSnapshotOf(path: string, hosts: readonly string[]): boolean {
  const slash = path.indexOf('/')
  const snapshot = path.slice(slash + 1).replace(/\.$/, '')
  return hosts.includes(path.slice(0, slash)) && (snapshot === 'latest' || SNAPSHOT_ID_PATTERN.test(snapshot))
}

/** An error as the history has it. */
export function toldError(
  error: RelayError,
  host: string,
): { readonly code: string; readonly message: string } {
  return { code: error.code, message: withoutFileNames(error.message, [host]) }
}
