import type { ConfigProblem } from '../errors.ts'

/** `hosts.yaml:12:5`, as far as it is known. */
export function problemPlace({ file, line, column }: ConfigProblem): string {
  return [file, line, column].filter((part) => part !== undefined).join(':')
}

/** What is wrong, with the place in the document before it: `hosts.prod.ssh: not an address`. */
export function problemText({ path, message }: ConfigProblem): string {
  return path === '' ? message : `${path}: ${message}`
}
