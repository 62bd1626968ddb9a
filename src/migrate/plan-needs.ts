import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { Need } from './needs.ts'
import type { MigrationInput } from './plan.ts'

/** Paths of the system itself: every server has its own. */
const SYSTEM = ['/proc', '/sys', '/dev', '/run', '/var/run']

/**
 * Things that FROM's containers were made from and that TO would lack: they are in no source, and not there already.
 * They stop a cutover, unless that is accepted; a rehearsal only says it.
 */
export function needFindings(input: MigrationInput): Finding[] {
  const { from, to, needs, cutover, acceptMissing } = input
  if (needs === undefined) return []
  const left = leftBehind(input)
  const missing = left.filter(isMissing)
  const other = left.filter((need) => !isMissing(need) && need.from.sum !== need.to.sum)
  const findings: Finding[] = []
  if (missing.length > 0) {
    const names = missing.map((need) => `${nameOf(need)} (${printable(need.what)})`)
    const add = [...new Set(missing.map((need) => sourceFor(need, from.server.deployment.path)))]
    findings.push({
      check: 'left-behind',
      outcome: cutover && !acceptMissing ? 'failed' : 'warning',
      message: `in no source of ${from.host.name}, so not brought to ${to.host.name}, though its containers were made with it: ${names.join(', ')}`,
      next: `Add to hosts.${from.host.name}.sources: ${add.join(', ')}${cutover && !acceptMissing ? ' – or move without: --accept-missing' : ''}`,
    })
  }
  if (other.length > 0) {
    findings.push({
      check: 'other-content',
      outcome: 'warning',
      message: `in no source of ${from.host.name}, and not the same on ${to.host.name}: ${other.map(nameOf).join(', ')}`,
      next: `See that what ${to.host.name} has there is right, or add it to hosts.${from.host.name}.sources.`,
    })
  }
  if (needs.otherVariables.length > 0) {
    const refused = cutover && !acceptMissing
    findings.push({
      check: 'other-variables',
      outcome: refused ? 'failed' : 'warning',
      message: `the Compose files name variables whose value in the environment is not the same on ${from.host.name} and ${to.host.name}: ${needs.otherVariables.join(', ')}`,
      next: `Write their values in the Compose files, or see that those of ${to.host.name} are right${refused ? ' and move with --accept-missing' : ''}.`,
    })
  }
  if (needs.unclear.length > 0) {
    findings.push({
      check: 'compose-files',
      outcome: 'warning',
      message: `what the Compose files of ${from.host.name} need can't be told in full: ${needs.unclear.map(printable).join(', ')}`,
      next: 'See that all they name is in a source.',
    })
  }
  return findings
}

/**
 * Services that nothing on FROM says the make of: what its files become on TO is another app, also where its ports,
 * mounts and names of variables are the same. That stops a cutover, unless it is accepted.
 */
export function changeFindings({
  from,
  to,
  changed,
  cutover,
  acceptMissing,
}: Pick<MigrationInput, 'changed' | 'cutover' | 'acceptMissing'> & {
  readonly from: { readonly host: { readonly name: string } }
  readonly to: { readonly host: { readonly name: string } }
}): Finding[] {
  if (changed.length === 0) return []
  const refused = cutover && !acceptMissing
  return [
    {
      check: 'compose-changes',
      outcome: refused ? 'failed' : 'warning',
      message: `${changed.map(printable).join(', ')} does not run on ${from.host.name} as Compose there would make it: its files do not say how it was made, so a variable of the shell that started it does, or an image or a file that has changed since, and ${to.host.name} would make it otherwise`,
      next: `Write such variables into the .env on ${from.host.name} and run docker compose up -d there (or docker-compose up -d)${refused ? '; or move what the files say: --accept-missing' : ''}.`,
    },
  ]
}

/** The Compose files that TO will not have: what is accepted as missing, Compose there must not be told to read. */
export function missingFiles(input: Pick<MigrationInput, 'from' | 'needs'>): readonly string[] {
  return leftBehind(input).flatMap((need) => (isMissing(need) ? [need.target] : []))
}

function leftBehind({ from, needs }: Pick<MigrationInput, 'from' | 'needs'>): readonly Need[] {
  const sources = from.server.targets.map(({ path }) => path)
  return (needs?.needs ?? []).filter(({ path }) => !sources.some((root) => isIn(path, root)))
}

function isMissing({ path, volume, writable, from, to }: Need): boolean {
  if (to.type === 'absent' || volume !== undefined) return true
  // Only FROM has the data that the container has written, even where the place exists on TO, too. A socket is the
  // server's own.
  return writable && from.type !== 'other' && !SYSTEM.some((root) => isIn(path, root))
}

function isIn(path: string, root: string): boolean {
  return path === root || path.startsWith(root === '/' ? '/' : `${root}/`)
}

function nameOf({ path, volume }: Need): string {
  return printable(volume ?? path)
}

/** As it is written in the config. */
function sourceFor({ path, volume, from }: Need, deployment: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1)
  const name =
    base
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_')
      .replaceAll(/^_+|_+$/g, '') || 'more'
  if (volume !== undefined) {
    const safe = volume.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '_')
    return `${safe}: { kind: volume, volume: ${volume} }`
  }
  const inside = isIn(path, deployment) && path !== deployment ? path.slice(deployment.length + 1) : path
  const quoted = /^[A-Za-z0-9_./-]+$/.test(inside) ? inside : JSON.stringify(inside)
  return from.type === 'directory'
    ? `${name}: { kind: files, path: ${quoted} }`
    : `${name}: { kind: files, paths: [${quoted}] }`
}
