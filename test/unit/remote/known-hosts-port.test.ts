import { expect, it } from 'vitest'
import {
  checkHostKey,
  knownHostsLine,
  knownKeyTypes,
  matchesHost,
  parseKnownHosts,
} from '../../../src/remote/known-hosts.ts'
import { generateSshKeyPair } from '../../../src/remote/ssh-key-pair.ts'

const keyOf = () => Buffer.from(generateSshKeyPair().publicKey.split(' ')[1] ?? '', 'base64')
const ours = keyOf()
const other = keyOf()
const entries = (...lines: string[]) => parseKnownHosts(lines.join('\n'), 'known_hosts')
const line = (host: string, port: number, key: Buffer) => knownHostsLine(host, port, key)

it('a host known by its bare name was unknown at another port', () => {
  const known = entries(line('relay', 22, ours))
  expect(checkHostKey(known, 'relay', 2222, ours).status).toBe('ok')
  expect(knownKeyTypes(known, 'relay', 2222)).toEqual(['ssh-ed25519'])
})

it('the bare name vouches for its own key only, and never against what is known of the port', () => {
  expect(checkHostKey(entries(line('relay', 22, other)), 'relay', 2222, ours).status).toBe('unknown')
  const both = entries(line('relay', 22, ours), line('relay', 2222, other))
  expect(checkHostKey(both, 'relay', 2222, ours).status).toBe('changed')
  const revoked = entries(`@revoked ${line('relay', 22, ours)}`)
  expect(checkHostKey(revoked, 'relay', 2222, ours).status).toBe('revoked')
  expect(checkHostKey(entries(line('relay', 2222, ours)), 'relay', 22, ours).status).toBe('unknown')
})

it('a hashed name that begins like another is another', () => {
  // All hashes of names that share a salt and the first character of the hash with ours.
  const salt = Buffer.alloc(20, 1)
  const hashOf = (name: string) => knownHostsLine(name, 22, ours, { salt }).split(' ')[0]?.split('|')[3] ?? ''
  const first = hashOf('relay')[0]
  const alike = Array.from({ length: 1000 }, (_, index) => `host${index}`).filter(
    (name) => hashOf(name)[0] === first,
  )
  expect(alike.length).toBeGreaterThan(0)
  const [entry] = entries(knownHostsLine('relay', 22, ours, { salt }))
  if (entry === undefined) throw new Error('no entry')
  expect(matchesHost(entry, 'relay', 22)).toBe(true)
  for (const name of alike) expect(matchesHost(entry, name, 22)).toBe(false)
})
