import { createHash, createHmac } from 'node:crypto'
import type { HostCertificate } from './host-certificate.ts'
import { matchesPatternList } from './openssh/patterns.ts'

const DEFAULT_PORT = 22

/** One line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export interface KnownHostsEntry {
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly marker: 'revoked' | 'cert-authority' | undefined
  /** The first field: a comma list of patterns, or one hashed name. */
  readonly hosts: string
  /** `ssh-ed25519` and so on; for RSA keys `ssh-rsa`, whatever the signature algorithm. */
  readonly keyType: string
  /** Base64 of the key as it goes over the wire. */
  readonly key: string
}

/** What the known_hosts files say of a key that a server has shown. */
export type HostKeyCheck =
  | { readonly status: 'ok' }
  /**
   * `authority`: a certificate authority is known for the host. `problem`: why the certificate that the server shows does
   * not count; absent when it shows none.
   */
  | {
      readonly status: 'unknown'
      readonly authority: KnownHostsEntry | undefined
      readonly problem?: string | undefined
    }
  /** The host is known by other keys; the first is of the same type where there is one. */
  | { readonly status: 'changed'; readonly entry: KnownHostsEntry }
  | { readonly status: 'revoked'; readonly entry: KnownHostsEntry }

/** The entries of a known_hosts file's text; comments and lines that are no entries are skipped, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHostsEntry[] {
  return text.split('\n').flatMap((content, index) => {
    const fields = content.trim().split(/[ \t]+/)
    const marker = fields[0]?.startsWith('@') === true ? fields.shift()?.slice(1) : undefined
    const [hosts, keyType, key] = fields
    if (!hosts || hosts.startsWith('#') || !keyType || !key || !/^[A-Za-z0-9+/]+=*$/.test(key)) return []
    if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return []
    return [{ file, line: index + 1, marker, hosts, keyType, key }]
  })
}

/** Is the entry about this host? */
export function matchesHost(entry: KnownHostsEntry, host: string, port: number): boolean {
  const name = knownHostsName(host, port)
  if (entry.hosts.startsWith('|')) {
    const [, version, salt, hash] = entry.hosts.split('|')
    return version === '1' && salt !== undefined && hashName(name, Buffer.from(salt, 'base64')) === hash
  }
  return matchesPatternList(entry.hosts.toLowerCase().split(','), name)
}

/**
 * Compares the key a server has shown with what is known of it. `key` is the key as it goes over the wire. Where nothing
 * is known of the host at its port, a key that is known for its bare name is good, as for OpenSSH. A certificate of a
 * known authority makes its key good; with any other certificate the key counts alone.
 */
export function checkHostKey(
  entries: readonly KnownHostsEntry[],
  host: string,
  port: number,
  key: Buffer,
  certificate?: HostCertificate,
): HostKeyCheck {
  const ours = entries.filter((entry) => matchesHost(entry, host, port))
  const shown = key.toString('base64')
  const signer = certificate?.authority.toString('base64')
  const revoked = ours.find(
    (entry) =>
      entry.marker === 'revoked' &&
      (sameKey(entry, shown) || (signer !== undefined && sameKey(entry, signer))),
  )
  if (revoked !== undefined) return { status: 'revoked', entry: revoked }
  const authorities = ours.filter((entry) => entry.marker === 'cert-authority')
  const problem =
    certificate === undefined
      ? undefined
      : authorities.some((entry) => sameKey(entry, signer ?? ''))
        ? certificate.problem(host)
        : 'is signed by another authority'
  if (certificate !== undefined && problem === undefined) return { status: 'ok' }
  const plain = ours.filter((entry) => entry.marker === undefined)
  if (plain.some((entry) => sameKey(entry, shown))) return { status: 'ok' }
  const entry = plain.find((known) => known.keyType === keyType(key)) ?? plain[0]
  if (entry !== undefined) return { status: 'changed', entry }
  if (port !== DEFAULT_PORT) {
    const bare = checkHostKey(entries, host, DEFAULT_PORT, key, certificate)
    if (bare.status === 'ok' || bare.status === 'revoked') return bare
  }
  return { status: 'unknown', authority: authorities[0], problem }
}

/** Is an authority known that may have signed a certificate of the host? */
export function hasAuthority(entries: readonly KnownHostsEntry[], host: string, port: number): boolean {
  return entries.some(
    (entry) =>
      entry.marker === 'cert-authority' &&
      (matchesHost(entry, host, port) || matchesHost(entry, host, DEFAULT_PORT)),
  )
}

/** The types of the keys that the host is known by, in the files' order. A server is asked for these first. */
export function knownKeyTypes(entries: readonly KnownHostsEntry[], host: string, port: number): string[] {
  const typesAt = (at: number) =>
    entries
      .filter((entry) => entry.marker === undefined && matchesHost(entry, host, at))
      .map((entry) => entry.keyType)
  const types = typesAt(port)
  return [...new Set(types.length === 0 ? typesAt(DEFAULT_PORT) : types)]
}

/** A line of known_hosts for this key, without a newline. */
export function knownHostsLine(
  host: string,
  port: number,
  key: Buffer,
  options: { readonly salt?: Buffer | undefined } = {},
): string {
  const name = knownHostsName(host, port)
  const { salt } = options
  const shown = salt === undefined ? name : `|1|${salt.toString('base64')}|${hashName(name, salt)}`
  return `${shown} ${keyType(key)} ${key.toString('base64')}`
}

/** As `ssh-keygen -l` prints it: `SHA256:` and unpadded base64. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The type inside a key as it goes over the wire (RFC 4253 section 6.6: the first string). */
export function keyType(key: Buffer): string {
  return key.toString('latin1', 4, 4 + key.readUInt32BE(0))
}

/** How the files name a host: by its lower-case name, with brackets and port where that is not 22. */
export function knownHostsName(host: string, port: number): string {
  const name = host.toLowerCase()
  return port === DEFAULT_PORT ? name : `[${name}]:${port}`
}

function hashName(name: string, salt: Buffer): string {
  return createHmac('sha1', salt).update(name).digest('base64')
}

function sameKey(entry: KnownHostsEntry, base64: string): boolean {
  return entry.key.replace(/=+$/, '') === base64.replace(/=+$/, '')
}
