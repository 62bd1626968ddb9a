import { describe, expect, it } from 'vitest'
import { parseVolumeLook } from '../../../src/services/volume.ts'

const volume = (name: string, more: object = {}) =>
  `volume\t${JSON.stringify({
    Name: name,
    Driver: 'local',
    Mountpoint: `/var/lib/docker/volumes/${name}/_data`,
    Labels: null,
    Options: null,
    ...more,
  })}`
const of = (project: string) => ({
  Labels: { 'com.docker.compose.project': project, 'com.docker.compose.volume': 'data' },
})
const look = (...lines: string[]) =>
  parseVolumeLook(
    'prod',
    'data',
    Buffer.from(`${['endpoint\tunix:///var/run/docker.sock', ...lines, 'end'].join('\n')}\n`),
  )

describe('a volume by its name', () => {
  it('is where Docker says', () => {
    expect(look(volume('data'))).toEqual({
      name: 'data',
      mountpoint: '/var/lib/docker/volumes/data/_data',
    })
  })

  it('is the one of the deployment’s own project', () => {
    expect(look(volume('a_data', of('a')), volume('b_data', of('b')), 'project\tb').name).toBe('b_data')
  })

  it.each([
    ['of several projects', [volume('a_data', of('a')), volume('b_data', of('b'))], 'volume-ambiguous'],
    ['that is not there', ['other\tdate'], 'volume-missing'],
    ['of another driver', [volume('data', { Driver: 'rexray' })], 'volume-driver'],
    ['that is mounted', [volume('data', { Options: { type: 'nfs', o: 'addr=x' } })], 'volume-options'],
  ])('one %s is refused', (_what, lines, code) => {
    expect(() => look(...lines)).toThrow(expect.objectContaining({ code }))
  })

  it('is not taken from a cut answer', () => {
    expect(() => parseVolumeLook('prod', 'data', Buffer.from(`${volume('data')}\n`))).toThrow(/cut short/)
  })
})
