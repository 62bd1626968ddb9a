import type { RelayError } from '../errors.ts'

/** A path, with a slash in it, or a name of a file: with an extension, or hidden. */
const PATH = /(?<=^|[\s"'`(:=,])[^\s"'`(),;:=]*\/[^\s"'`(),;]*/g
const FILE =
  /(?<=^|[\s"'`(:=,])(?:[^\s"'`(),;:/]+\.[A-Za-z][A-Za-z0-9]{0,7}|\.[A-Za-z][^\s"'`(),;:/]*)(?=$|[\s"'`),;:.])/g

/**
 * A message without names of files: each path, and each word that looks like the name of a file, is `…`. The history is
 * read by more people and programs than the server's files are meant for. `kept` are names of hosts.
 */
export function withoutFileNames(message: string, kept: readonly string[]): string {
  return message
    .replaceAll(PATH, (path) => (kept.includes(path) || path === '/' ? path : '…'))
    .replaceAll(FILE, (name) => (kept.includes(name) ? name : '…'))
}

/** An error as the history has it. */
export function toldError(
  error: RelayError,
  host: string,
): { readonly code: string; readonly message: string } {
  return { code: error.code, message: withoutFileNames(error.message, [host]) }
}
