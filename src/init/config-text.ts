import { Document, isMap, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { printable } from '../model/path-bytes.ts'
import type { SecretReference } from '../model/secret.ts'
import { formatSize } from '../model/units.ts'
import type { NotCovered } from './not-covered.ts'
import type { HostSource } from './propose.ts'

/** A host as it was decided on. */
export interface ChosenHost {
  readonly name: string
  /** As in the config: an alias, or user@host. */
  readonly ssh: string
  readonly deployment: string
  readonly sudo: boolean
  readonly services: Readonly<Record<string, unknown>> | undefined
  readonly health: string | undefined
  readonly sources: readonly (HostSource & { readonly quiesce: unknown })[]
  readonly notCovered: readonly NotCovered[]
}

/** What a new config says besides its host. */
export interface ChosenConfig {
  readonly vault: string
  readonly recipient: string
  readonly identity: string
  readonly identityPassphrase: SecretReference | undefined
  readonly retention: Readonly<Record<string, unknown>>
}

/** A whole new config file, with comments. */
export function newConfigText(config: ChosenConfig, host: ChosenHost): string {
  const { vault, recipient, identity, identityPassphrase, retention } = config
  return `# The config of relay-backup. hosts.example.yaml, which comes with the program, shows every key.
# After a change: relay-backup config check

version: 1

# The directory of this machine that holds all snapshots.
vault: ${flow(vault)}

encryption:
  # Archives are encrypted to this public key, so a pull needs no secret.
  recipients: ${flow([recipient])}
  # The private key opens them. Without it, and its passphrase, no backup can be opened.
  identity: ${flow(identity)}
${identityPassphrase === undefined ? '' : `  identityPassphrase: ${flow(identityPassphrase)}\n`}
# Which snapshots stay: a snapshot stays as long as one rule keeps it.
retention: ${flow(retention)}

hosts:
${hostText(host, 2)}`
}

/** A host's part of the file, its name indented by so many spaces. */
export function hostText(host: ChosenHost, indent: number): string {
  const { name, ssh, deployment, sudo, services, health, sources, notCovered } = host
  const withHealth =
    services === undefined && health === undefined
      ? undefined
      : {
          ...(services ?? { manager: 'none' }),
          ...(health === undefined ? {} : { health: { url: health } }),
        }
  const lines = [
    `${name}:`,
    `  ssh: ${flow(ssh)}`,
    `  # The directory of the app on the server.`,
    `  deployment: ${flow(deployment)}`,
    ...(sudo
      ? ['  # Docker and other users’ files are asked about as root, by sudo -n.', '  sudo: true']
      : []),
    ...(withHealth === undefined
      ? ['  # What a restore stops and starts was not found: see `services` in hosts.example.yaml.']
      : ['  # What a restore stops, starts and checks.', `  services: ${flow(withHealth)}`]),
    ...notCovered.flatMap(notCoveredLines).map((line) => `  # ${line}`),
    `  sources:`,
    ...sources.flatMap(sourceLines).map((line) => `    ${line}`),
  ]
  return lines.map((line) => `${' '.repeat(indent)}${line}\n`).join('')
}

function sourceLines({ name, config, bytes, note, quiesce }: ChosenHost['sources'][number]): string[] {
  const size = bytes === undefined ? undefined : formatSize(bytes)
  const comment = [size, note].filter((text) => text !== undefined).join('; ')
  return [
    ...(comment === '' ? [] : [`# ${printable(comment)}`]),
    ...(quiesce === undefined ? [] : ['# What writes to it holds still for the seconds of the capture.']),
    `${name}: ${flow({ ...config, ...(quiesce === undefined ? {} : { quiesce }) })}`,
  ]
}

/** What is said of a database that is not covered, in the file and in the talk. */
export function notCoveredLines({ title, where }: NotCovered): string[] {
  return [
    `NOT COVERED: ${title}, ${printable(where)}. This version can't back it up.`,
    'Until it can, let the server dump it into a directory that a source here captures.',
  ]
}

/**
 * The text of a config file with one host more. All that is in it stays as it is, comments too. Throws RangeError when it
 * has no map of hosts.
 */
export function withHost(text: string, host: ChosenHost): string {
  const document = parseDocument(text, { merge: true })
  const hosts: unknown = document.get('hosts', true)
  if (!isMap(hosts)) throw new RangeError('the file has no map of hosts')
  const spliced = splice(text, hosts, host)
  const expected = added(document, host)
  if (spliced !== undefined && same(parseDocument(spliced, { merge: true }), expected)) return spliced
  return expected.toString({ lineWidth: 0 })
}

/** Puts the host's lines behind those of the last one; undefined where the hosts are not written in lines. */
function splice(text: string, hosts: YAMLMap, host: ChosenHost): string | undefined {
  const first = hosts.items[0]?.key
  const start = isScalar(first) ? first.range?.[0] : undefined
  const end = hosts.range?.[1]
  if (hosts.flow === true || start === undefined || end === undefined) return undefined
  const indent = start - (text.lastIndexOf('\n', start - 1) + 1)
  const at = endOfHosts(text, end, indent)
  const behind = text.slice(at).replace(/^\n+/, '')
  return `${text.slice(0, at).trimEnd()}\n\n${hostText(host, indent)}${behind === '' ? '' : `\n${behind}`}`
}

/** The end of the last host's last line. Comments that stand deeper than the names of hosts are about it. */
function endOfHosts(text: string, end: number, indent: number): number {
  const newline = text.indexOf('\n', end - 1)
  const at = newline === -1 ? text.length : newline + 1
  const comments = new RegExp(`(?:(?:[ \\t]*\\n)*[ ]{${indent + 1},}#[^\\n]*(?:\\n|$))+`, 'y')
  comments.lastIndex = at
  return comments.test(text) ? comments.lastIndex : at
}

function added(document: Document, host: ChosenHost): Document {
  const copy = document.clone()
  const value: unknown = parseDocument(hostText(host, 0)).get(host.name, true)
  copy.setIn(['hosts', host.name], value)
  return copy
}

function same(one: Document, other: Document): boolean {
  return one.errors.length === 0 && JSON.stringify(one.toJS()) === JSON.stringify(other.toJS())
}

/** A value on one line: `{ kind: files, paths: [a, b] }`. */
export function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, one]) => `${scalar(key)}: ${flow(one)}`)
      .join(', ')} }`
  return scalar(value)
}

/** As it may stand in any place. */
function scalar(value: unknown): string {
  const style = { lineWidth: 0, singleQuote: true, flowCollectionPadding: false }
  return new Document([value], { flow: true }).toString(style).trimEnd().slice(1, -1)
}
