import { describe, expect, it } from 'vitest'
import { projectOf } from '../../../src/services/compose-project.ts'
import type { ComposeProject, ContainerLook, DockerLook } from '../../../src/services/contract.ts'
import { chooseVolume, parseVolumeLook, type InspectedVolume } from '../../../src/services/volume.ts'

const volume = (name: string, project?: string, key?: string): InspectedVolume => ({
  Name: name,
  Driver: 'local',
  Mountpoint: `/var/lib/docker/volumes/${name}/_data`,
  Labels:
    project === undefined
      ? null
      : { 'com.docker.compose.project': project, 'com.docker.compose.volume': key ?? 'uploads' },
  Options: null,
})

const container = (project: string, directory: string, ...volumes: readonly string[]): ContainerLook =>
  ({
    id: `${project} ${directory}`,
    name: `${project}_app_1`,
    status: 'running',
    mounts: volumes.map((name) => ({ type: 'volume', volume: name })),
    compose: { project, service: 'app', directory, files: [`${directory}/docker-compose.yml`], envFiles: [] },
  }) as unknown as ContainerLook

const look = (...containers: readonly ContainerLook[]) => ({ containers }) as unknown as DockerLook

const projectB = (seen: DockerLook): ComposeProject =>
  projectOf(seen, { host: 'prod', deployment: '/srv/appb', config: {} }, 'appb')

/** What is chosen for `uploads` of the project appb. */
function choose(
  volumes: readonly InspectedVolume[],
  options: {
    readonly says?: Readonly<Record<string, string>> | 'unreadable'
    readonly asked?: string
    readonly containers?: readonly ContainerLook[]
    readonly project?: false
    readonly isCompose?: boolean
  } = {},
): string {
  const { says, asked = 'uploads', containers = [], isCompose = true } = options
  const seen = look(...containers)
  const project = options.project === false ? undefined : projectB(seen)
  const said =
    typeof says === 'object'
      ? { project: 'appb', volumes: new Map(Object.entries(says)), dependsOn: new Map() }
      : says
  return chooseVolume({ host: 'prod', volume: asked, volumes, look: seen, project, isCompose }, said).Name
}

const A = volume('appa_uploads', 'appa')
const B = volume('appb_uploads', 'appb')

describe('the volume that a source means', () => {
  it('is the own project’s', () => {
    expect(choose([A, B], { says: { uploads: 'appb_uploads' } })).toBe('appb_uploads')
    expect(choose([A, B])).toBe('appb_uploads')
    expect(choose([A, B], { asked: 'appb_uploads', says: { uploads: 'appb_uploads' } })).toBe('appb_uploads')
  })

  it.each([
    ['its explicit name', { uploads: 'shared' }, 'uploads', 'shared'],
    ['its real name, when that is explicit', { uploads: 'shared' }, 'shared', 'shared'],
    ['an external one of the same name', { uploads: 'uploads' }, 'uploads', 'uploads'],
    ['an external one that another project has made', { uploads: 'appa_uploads' }, 'uploads', 'appa_uploads'],
  ])('is the own project’s by %s', (_what, says, asked, name) => {
    const volumes = [A, volume('shared'), ...(name === 'uploads' ? [volume('uploads')] : [])]
    expect(choose(volumes, { says, asked })).toBe(name)
  })

  it.each([
    ['another project has one of that name', [A], { uploads: 'appb_uploads' }, undefined],
    ['another project has one of that name, and Compose has nothing to say', [A], undefined, undefined],
    ['only a literal one is there', [volume('uploads')], { uploads: 'appb_uploads' }, undefined],
    ['only a literal one is there, and Compose can’t read', [volume('uploads')], 'unreadable', undefined],
    [
      'the project’s files do not know a literal one',
      [volume('uploads')],
      { other: 'appb_other' },
      undefined,
    ],
    ['the real name is of another project', [A], { uploads: 'appb_uploads' }, 'appa_uploads'],
  ] as const)('is missing when %s', (_why, volumes, says, asked) => {
    expect(() =>
      choose(volumes, { ...(says === undefined ? {} : { says }), ...(asked === undefined ? {} : { asked }) }),
    ).toThrow(expect.objectContaining({ code: 'volume-missing' }))
  })

  it('does not propose another deployment’s volume', () => {
    const text = (() => {
      try {
        return choose([A], { says: { uploads: 'appb_uploads' } })
      } catch (error) {
        return String(error) + JSON.stringify(error)
      }
    })()
    expect(text).toContain('There is no volume uploads (appb_uploads) on prod')
    expect(text).toContain('Compose project appb in /srv/appb')
    expect(text).not.toContain('appa')
  })

  it.each([
    ['Compose names the project’s', { uploads: 'appb_uploads' }],
    ['Compose has nothing to say', undefined],
  ])('is ambiguous where a literal one lies beside the project’s own (%s)', (_how, says) => {
    expect(() => choose([B, volume('uploads')], says === undefined ? {} : { says })).toThrow(
      expect.objectContaining({
        code: 'volume-ambiguous',
        message: expect.stringContaining('uploads may be appb_uploads and uploads'),
      }),
    )
  })

  it('is ambiguous where the project has two of them mounted, and the mounted one where it has one', () => {
    const older = volume('appb_older', 'appb')
    const both = container('appb', '/srv/appb', 'appb_uploads', 'appb_older')
    expect(() => choose([B, older], { containers: [both] })).toThrow(
      expect.objectContaining({ code: 'volume-ambiguous' }),
    )
    const one = container('appb', '/srv/appb', 'appb_older')
    expect(choose([B, older], { containers: [one] })).toBe('appb_older')
  })

  it('is the one that the project’s containers have mounted, when Compose has nothing to say', () => {
    const mine = container('appb', '/srv/appb', 'ext')
    expect(choose([volume('ext')], { asked: 'ext', containers: [mine] })).toBe('ext')
  })

  it('is Docker’s own name where no project is known, unless it is that of another deployment', () => {
    const unknown = { project: false } as const
    expect(choose([volume('uploads')], unknown)).toBe('uploads')
    expect(choose([A], { ...unknown, asked: 'appa_uploads' })).toBe('appa_uploads')
    const other = container('appa', '/srv/appa')
    expect(() => choose([A], { ...unknown, asked: 'appa_uploads', containers: [other] })).toThrow(
      expect.objectContaining({ code: 'volume-missing' }),
    )
  })

  it('is Docker’s own name where the Compose file is still to come', () => {
    expect(choose([volume('ext')], { asked: 'ext', containers: [container('appb', '/srv/appb')] })).toBe(
      'ext',
    )
  })

  it('is Docker’s own name where Compose does not manage the services', () => {
    expect(choose([volume('uploads')], { isCompose: false, says: { other: 'appb_other' } })).toBe('uploads')
  })

  it('is not taken from a cut answer', () => {
    const cut = Buffer.from(`endpoint\tunix:///x\nvolume\t${JSON.stringify(A)}\n`)
    expect(() => parseVolumeLook('prod', cut)).toThrow(/cut short/)
    expect(parseVolumeLook('prod', Buffer.concat([cut, Buffer.from('end\n')]))).toEqual([A])
  })
})
