import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkHostKey, knownKeyTypes, matchesHost, parseKnownHosts } from '../../../src/remote/known-hosts.ts'
import type { KnownHostsEntry } from '../../../src/remote/known-hosts.ts'
import { addKnownHost, replaceKnownHost } from '../../../src/remote/known-hosts-file.ts'
import { tempDir } from '../../lab/temp.ts'

// Public keys made for these tests; their private halves were thrown away.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFQPNH7IOI2Tta73Udi8YOHbmcM69a+r1ovlbZdaCSxG'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILOLAN69HxiV1pC2tUlnZek9QErxUoEI0PBiyddFmVbE'
const ECDSA =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBJPQSs9woBU6fjYGpVAvGtgfNFoGFB8fMWT8ddOVcxIF3CdlRdtfr8Tn8vj9fPvYCb3v5ZZ4KAKjRRaYOC72bk='

const blob = (line: string) => Buffer.from(line.split(' ')[1] ?? '', 'base64')
const check = (text: string, host: string, port: number, key: string) =>
  checkHostKey(parseKnownHosts(text, 'known_hosts'), host, port, blob(key))

function matches(hosts: string, host: string, port = 22): boolean {
  const [entry] = parseKnownHosts(`${hosts} ${ED25519}`, 'f')
  return matchesHost(entry as KnownHostsEntry, host, port)
}

describe('patterns', () => {
  it.each([
    ['host', 'host', 22, true],
    ['HOST', 'host', 22, true],
    ['host', 'HOST', 22, true],
    ['host', 'host', 2222, false],
    ['[host]:2222', 'host', 2222, true],
    ['[host]:2222', 'host', 22, false],
    ['a,b,host', 'host', 22, true],
    ['*.example.com', 'x.example.com', 22, true],
    ['*.example.com', 'example.com', 22, false],
    ['*.example.com', 'x.exampleXcom', 22, false],
    ['h?st', 'host', 22, true],
    ['*,!host', 'host', 22, false],
    ['!host', 'other', 22, false],
    ['[*.example.com]:2222', 'x.example.com', 2222, true],
    ['::1', '::1', 22, true],
    ['[::1]:2222', '::1', 2222, true],
    ['h[o]st', 'host', 22, false],
  ])('%s matches %s port %d: %s', (pattern, host, port, expected) => {
    expect(matches(pattern, host, port)).toBe(expected)
  })
})

describe('check', () => {
  it('tells which entry a changed key contradicts', () => {
    const result = check(`# comment\n\nhost ${ECDSA}\nhost ${ED25519}\n`, 'host', 22, OTHER)
    expect(result).toMatchObject({ status: 'changed', entry: { file: 'known_hosts', line: 4 } })
  })

  it('is content when one of several keys of a type matches', () => {
    expect(check(`host ${ED25519}\nhost ${OTHER}`, 'host', 22, OTHER).status).toBe('ok')
  })

  it('lets a revocation win over a trusted line', () => {
    const text = `host ${ED25519}\n@revoked * ${ED25519}`
    expect(check(text, 'host', 22, ED25519)).toMatchObject({ status: 'revoked', entry: { line: 2 } })
  })

  it('does not trust a key because an authority has it, and says that there is an authority', () => {
    const text = `@cert-authority *.example.com ${ED25519}`
    expect(check(text, 'x.example.com', 22, ED25519)).toMatchObject({
      status: 'unknown',
      authority: { line: 1 },
    })
  })

  it('skips comments, broken lines and unknown markers', () => {
    const text = `#host ${ED25519}\nhost\nhost ssh-ed25519\n@other host ${ED25519}\nhost ssh-ed25519 !!!`
    expect(parseKnownHosts(text, 'f')).toEqual([])
  })

  it('reads CRLF, tabs, leading blanks and key comments', () => {
    expect(check(`  host\t${ED25519} root@host\r\n`, 'host', 22, ED25519).status).toBe('ok')
  })
})

it('lists known key types in the order of the file', () => {
  const entries = parseKnownHosts(`host ${ECDSA}\nhost ${ED25519}\nother ${OTHER}\nhost ${OTHER}`, 'f')
  expect(knownKeyTypes(entries, 'host', 22)).toEqual(['ecdsa-sha2-nistp256', 'ssh-ed25519'])
})

describe('writing', () => {
  it('makes the file and its directory private', async () => {
    await using temp = await tempDir()
    const file = join(temp.path, '.ssh', 'known_hosts')
    await addKnownHost(file, 'Host', 22, [blob(ED25519)])
    expect(await readFile(file, 'utf8')).toBe(`host ${ED25519}\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(temp.path, '.ssh'))).mode & 0o777).toBe(0o700)
  })

  it('starts a line of its own behind a file without a newline at its end', async () => {
    await using temp = await tempDir()
    const file = join(temp.path, 'known_hosts')
    await writeFile(file, `other ${OTHER}`)
    await addKnownHost(file, 'host', 2222, [blob(ED25519)])
    expect(await readFile(file, 'utf8')).toBe(`other ${OTHER}\n[host]:2222 ${ED25519}\n`)
  })

  it('replaces all plain entries of a host and keeps the old file', async () => {
    await using temp = await tempDir()
    const file = join(temp.path, 'known_hosts')
    const before = `# mine\nhost ${ECDSA}\nother ${OTHER}\nhost ${OTHER}\n@revoked host ${ECDSA}\n`
    await mkdir(temp.path, { recursive: true })
    await writeFile(file, before, { mode: 0o644 })
    await replaceKnownHost(file, 'host', 22, [blob(ED25519)])
    expect(await readFile(file, 'utf8')).toBe(
      `# mine\nother ${OTHER}\n@revoked host ${ECDSA}\nhost ${ED25519}\n`,
    )
    expect(await readFile(`${file}.old`, 'utf8')).toBe(before)
    expect((await stat(file)).mode & 0o777).toBe(0o644)
  })
})
