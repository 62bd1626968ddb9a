import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { newConfigText, withHost, type ChosenHost } from '../../../src/init/config-text.ts'
import { proposeHost } from '../../../src/init/propose.ts'
import { parseRetention, RETENTIONS } from '../../../src/init/retention.ts'
import { allKinds } from '../../../src/sources/registry.ts'
import { APP, container, found, mount } from './found.ts'

const ENV = { HOME: '/home/me' }

function chosen(own: Partial<ChosenHost> = {}): ChosenHost {
  const what = found(['logs/', 'data/', '.env'], {
    containers: [
      container('cache', { image: 'redis', mounts: [mount('/srv/odd [dir], "x": #1/é', '/data')] }),
      container('db', { image: 'mongo', mounts: [mount(`${APP}/data/pg`, '/data/db')] }),
    ],
  })
  const { sources, services, notCovered } = proposeHost(what, [], allKinds())
  return {
    name: 'shop',
    ssh: 'me@[2001:db8::1]:2222',
    deployment: APP,
    sudo: true,
    services,
    health: 'http://127.0.0.1:3000/health',
    sources: sources.map((source) => ({
      ...source,
      quiesce: source.name === 'data' ? { pause: ['cache'] } : undefined,
    })),
    notCovered,
    ...own,
  }
}

const REST = {
  vault: '~/my backups',
  recipient: 'keys/backup.pub.asc',
  identity: 'keys/backup.key.asc',
  identityPassphrase: { keychain: 'relay-backup/identity' },
  retention: RETENTIONS.long,
}

describe('a new file', () => {
  const text = newConfigText(REST, chosen())

  test('passes the check and means what was chosen', () => {
    const config = parseConfig(text, '/home/me/hosts.yaml', ENV)
    expect(config).toMatchObject({
      vault: '/home/me/my backups',
      retention: { daily: 14, monthly: 12 },
      encryption: { identityPassphrase: { keychain: 'relay-backup/identity' } },
    })
    const [host] = config.hosts
    expect(host).toMatchObject({
      name: 'shop',
      ssh: { host: '2001:db8::1', user: 'me', port: 2222 },
      sudo: true,
      services: { manager: 'compose', data: ['cache'], health: { url: 'http://127.0.0.1:3000/health' } },
    })
    expect(host?.sources.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'cache redis',
      'logs files',
      'data files',
      'config files',
    ])
    expect(host?.sources[0]).toMatchObject({ path: '/srv/odd [dir], "x": #1/é' })
  })

  test('names what is not covered, in a comment', () => {
    expect(text).toMatch(/^ {4}# NOT COVERED: MongoDB, service db/m)
  })

  test('a name from the server ends no comment', () => {
    const notCovered = [{ title: 'SQLite', where: '/srv/a\nhosts: {}', paths: [] }]
    const odd = newConfigText(REST, chosen({ notCovered }))
    expect(parseConfig(odd, '/home/me/hosts.yaml', ENV).hosts).toHaveLength(1)
  })
})

describe('a host more', () => {
  const second = chosen({ name: 'second', ssh: 'second' })
  const HEAD = 'version: 1\nvault: v # here\nencryption: { recipients: [a.asc] }\n'

  test.each([
    [
      'behind the last one',
      `${HEAD}hosts:\n  one:\n    ssh: one # 1\n    # about one\n`,
      '    # about one\n\n  second:',
    ],
    [
      'with keys behind the hosts',
      `${HEAD}hosts:\n    one: { ssh: one }\n\n# the rest\nfullEvery: 3\n`,
      '\n\n# the rest\nfullEvery: 3\n',
    ],
    ['without a newline at the end', `${HEAD}hosts:\n  one: { ssh: one }`, '{ ssh: one }\n\n  second:'],
    ['in one line', `${HEAD}hosts: { one: { ssh: one } } # all\n`, '# here'],
    [
      'beside an alias',
      `${HEAD}defaults: &d { sudo: true }\nhosts:\n  one: { <<: *d, ssh: one }\n`,
      '<<: *d',
    ],
  ])('%s', (_, before, kept) => {
    const text = withHost(before, second)
    expect(text).toContain(kept)
    const old = parseConfig(before, '/x/hosts.yaml', ENV)
    const config = parseConfig(text, '/x/hosts.yaml', ENV)
    expect(config.hosts.slice(0, -1)).toEqual(old.hosts)
    expect(config.hosts.at(-1)).toMatchObject({ name: 'second' })
    expect({ ...config, hosts: [] }).toEqual({ ...old, hosts: [] })
  })

  test('what is written in lines stays as it is, to the byte', () => {
    const before = `${HEAD}hosts:\n  one:   {ssh: one}   # odd   spaces\n`
    expect(withHost(before, second).startsWith(before)).toBe(true)
  })
})

test('rules of retention are read as the config has them', () => {
  expect(parseRetention('daily: 14, within: 30d')).toEqual({ daily: 14, within: '30d' })
  expect(() => parseRetention('fourteen')).toThrow(/not understood/)
  expect(() => parseRetention('')).toThrow(/not understood/)
})
