import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { matchesHost, parseKnownHosts } from '../../../src/remote/known-hosts.ts'

const hashOf = (name: string, salt: Buffer) => createHmac('sha1', salt).update(name).digest('base64')

/** A salt with which the hashes of two names begin with the same characters. */
function collidingSalt(one: string, other: string, length: number): Buffer {
  for (let number = 0; ; number += 1) {
    const salt = Buffer.alloc(20)
    salt.writeUInt32BE(number)
    if (hashOf(one, salt).slice(0, length) === hashOf(other, salt).slice(0, length)) return salt
  }
}

test('a hashed name is that of one host, not of all whose hashes begin alike', () => {
  const salt = collidingSalt('good.example', 'evil.example', 2)
  const line = `|1|${salt.toString('base64')}|${hashOf('good.example', salt)} ssh-ed25519 AAAA`
  const [entry] = parseKnownHosts(line, 'known_hosts')
  expect(matchesHost(entry!, 'good.example', 22)).toBe(true)
  expect(matchesHost(entry!, 'evil.example', 22)).toBe(false)
  expect(matchesHost({ ...entry!, hosts: entry!.hosts.slice(0, -5) }, 'good.example', 22)).toBe(false)
})
