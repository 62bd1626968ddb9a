import { describe, expect, it } from 'vitest'
import { differences } from '../../../src/migrate/compare-makes.ts'
import type { Need } from '../../../src/migrate/needs.ts'
import { changeFindings, needFindings } from '../../../src/migrate/plan-needs.ts'
import type { MigrationInput } from '../../../src/migrate/plan.ts'
import type { ContainerMake } from '../../../src/services/contract.ts'

const need = (path: string, more: Partial<Need> = {}): Need => ({
  path,
  what: 'mount of app',
  volume: undefined,
  writable: false,
  from: { type: 'file', sum: 'a', real: path },
  target: path,
  to: { type: 'absent', sum: undefined, real: path },
  ...more,
})

function findings(
  needs: readonly Need[],
  more: Partial<MigrationInput> = {},
  unclear: readonly string[] = [],
  otherVariables: readonly string[] = [],
) {
  const input = {
    from: {
      host: { name: 'old' },
      server: {
        deployment: { path: '/srv/app' },
        targets: [{ path: '/srv/app/data' }, { path: '/srv/app/.env' }],
      },
    },
    to: { host: { name: 'new' } },
    cutover: true,
    acceptMissing: false,
    needs: { needs, unclear, otherVariables },
    ...more,
  } as unknown as MigrationInput
  return needFindings(input)
}

describe('services that Compose on FROM would not make as they run', () => {
  const sides = { from: { host: { name: 'old' } }, to: { host: { name: 'new' } } }

  it.each([
    { cutover: true, acceptMissing: false, outcome: 'failed' },
    { cutover: true, acceptMissing: true, outcome: 'warning' },
    { cutover: false, acceptMissing: false, outcome: 'warning' },
  ])('are another app on TO: $outcome', ({ outcome, ...how }) => {
    const [found] = changeFindings({ ...sides, ...how, changed: ['app'] })
    expect(found).toMatchObject({ check: 'compose-changes', outcome })
    expect(found?.message).toMatch(/^app does not run on old .* new would make it otherwise$/)
    expect(found?.next?.includes('--accept-missing')).toBe(outcome === 'failed')
    expect(changeFindings({ ...sides, ...how, changed: [] })).toEqual([])
  })
})

describe('what containers were made from and no source holds', () => {
  it('refuses the cutover, and names the source to add', () => {
    const [found, ...others] = findings([
      need('/srv/app/data/deep/file'),
      need('/srv/app/.env'),
      need('/srv/app/docker-compose.override.yml', { what: 'Compose file' }),
      need('/opt/build', { from: { type: 'directory', sum: undefined, real: '/opt/build' } }),
      need('/var/lib/docker/volumes/app_cache/_data', { volume: 'app_cache' }),
    ])
    expect(others).toEqual([])
    expect(found).toMatchObject({ check: 'left-behind', outcome: 'failed' })
    expect(found?.message).toContain('/srv/app/docker-compose.override.yml (Compose file)')
    expect(found?.message).not.toContain('.env')
    expect(found?.message).not.toContain('deep')
    expect(found?.next).toContain(
      'docker_compose_override_yml: { kind: files, paths: [docker-compose.override.yml] }',
    )
    expect(found?.next).toContain('build: { kind: files, path: /opt/build }')
    expect(found?.next).toContain('app_cache: { kind: volume, volume: app_cache }')
    expect(found?.next).toContain('--accept-missing')
  })

  it('is a warning where it is accepted, and in a rehearsal', () => {
    for (const more of [{ acceptMissing: true }, { cutover: false }]) {
      const [found] = findings([need('/etc/app.conf')], more)
      expect(found?.outcome).toBe('warning')
      expect(found?.next).not.toContain('--accept-missing')
    }
  })

  it('names the variables that are others there: a file with ${HOME} means another place', () => {
    const [found, ...others] = findings([], {}, [], ['HOME', 'USER'])
    expect(others).toEqual([])
    expect(found).toMatchObject({ check: 'other-variables', outcome: 'failed' })
    expect(found?.message).toContain('HOME, USER')
    expect(found?.next).toContain('--accept-missing')
    expect(findings([], { acceptMissing: true }, [], ['HOME'])[0]?.outcome).toBe('warning')
  })

  it('is no gap where the new server has it, unless the containers write to it', () => {
    const there = (type: Need['to']['type'], sum?: string) => ({ type, sum, real: '' })
    const same = need('/etc/localtime', { to: there('file', 'a') })
    const socket = need('/var/lib/x.sock', { writable: true, from: there('other'), to: there('other') })
    const shared = need('/run/lock', { writable: true, from: there('directory'), to: there('directory') })
    expect(findings([same, socket, shared])).toEqual([])
    const differs = need('/etc/app.conf', { to: there('file', 'b') })
    expect(findings([differs])).toMatchObject([{ check: 'other-content', outcome: 'warning' }])
    const written = need('/opt/uploads', { writable: true, from: there('directory'), to: there('directory') })
    expect(findings([written])).toMatchObject([{ check: 'left-behind', outcome: 'failed' }])
  })

  it('says what could not be told', () => {
    expect(findings([], {}, ['$X/y, the env file of app'])).toMatchObject([
      { check: 'compose-files', outcome: 'warning', message: expect.stringContaining('$X/y') as string },
    ])
  })
})

describe('containers that are to be the same on the other server', () => {
  const make = (more: Partial<ContainerMake> = {}): ContainerMake => ({
    name: 'app',
    imageId: '1',
    published: ['80/tcp at *:8080'],
    environment: ['PATH', 'TOKEN'],
    mounts: ['/data (bind)'],
    ...more,
  })
  const differs = (to: readonly ContainerMake[], known: readonly string[] = []) =>
    differences([make()], to, new Set(known))

  it('are quiet when they are', () => {
    expect(differs([make()])).toEqual({ differs: [], other: [] })
  })

  it.each<[string, Partial<ContainerMake>, string]>([
    ['a port', { published: [] }, 'ports of app: without 80/tcp at *:8080'],
    ['a variable', { environment: ['PATH'] }, 'environment of app: without TOKEN'],
    ['a mount', { mounts: ['/data (volume)'] }, 'mounts of app: without /data (bind), with /data (volume)'],
    ['an image that nobody has seen', { imageId: '2' }, 'app is of another build of its image'],
  ])('served without %s, and nobody said so', (_what, more, text) => {
    expect(differs([make(more)]).differs).toEqual([text])
  })

  it('may be of a build that the plan has named, with what that brings', () => {
    const other = make({ imageId: '2', environment: ['PATH', 'TOKEN', 'VERSION'] })
    expect(differs([other], ['2'])).toEqual({
      differs: [],
      other: ['app is of another build of its image', 'environment of app: with VERSION'],
    })
    expect(differs([], []).differs).toEqual(['app does not run'])
  })
})
