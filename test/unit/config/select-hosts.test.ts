import { describe, expect, test } from 'vitest'
import { adHocTwin } from '../../../src/config/ad-hoc-host.ts'
import { selectHosts } from '../../../src/config/select-hosts.ts'
import type { HostSelection } from '../../../src/config/select-hosts.ts'
import { UsageError } from '../../../src/errors.ts'
import { HEAD, parse } from './fixture.ts'

const one = parse(`${HEAD}hosts: { prod: { ssh: a } }\n`)
const three = parse(`${HEAD}retention: { last: 3 }
hosts:
  prod: { ssh: a, tags: [production] }
  prod-eu: { ssh: b, tags: [production, eu] }
  staging: { ssh: c }
`)

function names(config: typeof one, selection: Partial<HostSelection>): string[] {
  return selectHosts(config, { names: [], ...selection }).map((host) => host.name)
}

function refusal(config: typeof one, selection: Partial<HostSelection>): string {
  try {
    names(config, selection)
  } catch (error) {
    if (error instanceof UsageError) return `${error.message} | ${error.details.next ?? ''}`
    throw error
  }
  throw new Error('was accepted')
}

test('hosts by name, in the order asked, each once', () => {
  expect(names(three, { names: ['staging', 'prod', 'staging'] })).toEqual(['staging', 'prod'])
})

test('all, and by tag', () => {
  expect(names(three, { all: true })).toEqual(['prod', 'prod-eu', 'staging'])
  expect(names(three, { tag: 'eu' })).toEqual(['prod-eu'])
})

test('without a choice the only host is meant; with several they are listed', () => {
  expect(names(one, {})).toEqual(['prod'])
  expect(refusal(three, {})).toBe(
    'Several hosts are configured: prod, prod-eu, staging | Name those you mean, or use --all or --tag',
  )
})

test('an unknown host or tag gets a suggestion', () => {
  expect(refusal(three, { names: ['stagin'] })).toBe(
    'Unknown host "stagin" | Did you mean "staging"? Configured: prod, prod-eu, staging',
  )
  expect(refusal(three, { names: ['zzz'] })).toBe('Unknown host "zzz" | Configured: prod, prod-eu, staging')
  expect(refusal(three, { tag: 'prodction' })).toContain('Did you mean "production"?')
  expect(refusal(one, { tag: 'x' })).toContain('Give hosts tags in /etc/rb/hosts.yaml')
})

test('names, --all and --tag exclude each other', () => {
  expect(refusal(three, { names: ['prod'], all: true })).toContain('exclude each other')
  expect(refusal(three, { all: true, tag: 'eu' })).toContain('exclude each other')
})

describe('an ad-hoc target', () => {
  test('gets the default sources and the global settings, and is called as typed', () => {
    const [host] = selectHosts(three, { names: ['me@relay:2222'], deployment: '/srv/app/' })
    expect(host).toMatchObject({
      name: 'me@relay:2222',
      ssh: { user: 'me', host: 'relay', port: 2222 },
      deployment: '/srv/app',
      retention: { last: 3 },
      sourcesByDefault: true,
      services: { manager: 'none' },
    })
    expect(host?.sources.map((source) => source.name)).toEqual(['redis_data', 'logs', 'data', 'config'])
  })

  test('beside a configured host has what that one has, but a health URL that the other may answer', () => {
    const urls = { local: 'http://127.0.0.1:3000/health', public: 'https://relay.example.com/health' }
    const [local, open] = Object.values(urls).map((url) => {
      const config = parse(`${HEAD}hosts:
  prod:
    ssh: a
    deployment: /srv/app
    tags: [eu]
    sources: { data: { kind: files, path: data } }
    services: { manager: systemd, stop: [app], health: { url: '${url}' } }
`)
      const [host] = config.hosts
      const [target] = selectHosts(config, { names: ['shop'], adHoc: ['shop'] })
      return adHocTwin(target!, host!)
    })
    expect(local).toMatchObject({
      name: 'shop',
      ssh: { host: 'shop' },
      deployment: '/srv/app',
      tags: [],
      adHoc: true,
      services: { manager: 'systemd', stop: ['app'], health: { url: urls.local } },
    })
    expect(local?.sources.map(({ name }) => name)).toEqual(['data'])
    expect(open?.services.health).toBeUndefined()
  })

  test("may be an alias, and a name of OpenSSH's config may have been meant", () => {
    const [host] = selectHosts(three, { names: ['shop'], adHoc: ['shop'] })
    expect(host).toMatchObject({ name: 'shop', ssh: { host: 'shop' } })
    expect(refusal(three, { names: ['shp'], alsoKnown: ['shop'] })).toBe(
      'Unknown host "shp" | Did you mean "shop"? Configured: prod, prod-eu, staging',
    )
  })

  test('must be one, with a usable deployment', () => {
    expect(refusal(three, { names: ['me@'] })).toContain('Not an SSH target')
    expect(refusal(three, { names: ['me@relay'], deployment: 'a/b' })).toContain('must be absolute')
  })
})
