import { ConnectionError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { fingerprint, keyType } from './known-hosts.ts'
import type { HostKeyCheck } from './known-hosts.ts'
import type { Endpoint } from './openssh/endpoint.ts'
import { at } from './socket.ts'

/** The error for a server's key that is not accepted. It says why, and what a person can do. */
export function hostKeyError(
  host: { readonly name: string; readonly ssh: Endpoint },
  key: Buffer,
  check: Exclude<HostKeyCheck, { readonly status: 'ok' }>,
): ConnectionError {
  const shown = `${keyType(key)} ${fingerprint(key)}`
  const trust = `relay-backup hosts trust ${host.name}`
  const details = { host: host.name }
  switch (check.status) {
    case 'unknown':
      return new ConnectionError(
        'host-key-unknown',
        `The key of ${at(host.ssh)} is not known: ${shown}` +
          (check.authority === undefined
            ? ''
            : ` (${check.authority.file}:${check.authority.line} trusts an authority for it, but ${check.problem === undefined ? 'the server shows no certificate' : `the server's certificate ${printable(check.problem)}`})`),
        { ...details, next: `Compare the fingerprint with the server's own, then: ${trust}` },
      )
    case 'changed': {
      const { entry } = check
      return new ConnectionError(
        'host-key-changed',
        `THE KEY OF ${at(host.ssh)} HAS CHANGED. Somebody may be reading and altering this connection. ` +
          `It shows ${shown}; known is ${entry.keyType} ${fingerprint(Buffer.from(entry.key, 'base64'))} (${entry.file}:${entry.line})`,
        {
          ...details,
          next: `Ask the server's administrator whether its key was replaced. Only if the new fingerprint is confirmed: ${trust}`,
        },
      )
    }
    case 'revoked':
      return new ConnectionError(
        'host-key-revoked',
        `The key of ${at(host.ssh)} is revoked in ${check.entry.file}:${check.entry.line}: ${shown}`,
        { ...details, next: 'Do not connect; ask who revoked the key, and have the server get a new one' },
      )
  }
}
