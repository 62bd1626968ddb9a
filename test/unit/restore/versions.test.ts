import { expect, test } from 'vitest'
import { recordedImages, versionFindings, type TargetServer } from '../../../src/restore/versions.ts'

const VERSIONS = { 'docker-engine': '24.0.7', 'compose-plugin': '2.27.0', 'image redis:7': 'sha256:a' }
const RECORDED = { os: 'Debian', arch: 'x86_64', versions: VERSIONS }
const SAME: TargetServer = {
  name: 'new',
  arch: 'x86_64',
  versions: VERSIONS,
  images: new Map([['redis:7', 'sha256:a']]),
}

function found(target: Partial<TargetServer>, recorded = RECORDED): string[] {
  return versionFindings(recorded, { ...SAME, ...target }).map(({ check, outcome }) => `${outcome} ${check}`)
}

test('the same server gives no finding, and a newer one none either', () => {
  expect(found({})).toEqual([])
  expect(found({ versions: { ...VERSIONS, 'docker-engine': '27.1.0', 'compose-plugin': '2.29.1' } })).toEqual(
    [],
  )
  expect(found({ versions: { ...VERSIONS, 'docker-engine': '24.0.1' } })).toEqual([])
})

test.each<[string, Partial<TargetServer>, string[]]>([
  ['another architecture', { arch: 'aarch64' }, ['warning architecture']],
  ['an older engine', { versions: { ...VERSIONS, 'docker-engine': '20.10.24' } }, ['warning docker-version']],
  [
    'only Compose 1',
    { versions: { 'docker-engine': '24.0.7', 'docker-compose': '1.29.2' } },
    ['warning compose-version'],
  ],
  ['no Compose', { versions: { 'docker-engine': '24.0.7' } }, ['warning compose-version']],
  ['no image', { images: new Map([['redis:7', undefined]]) }, ['warning image']],
  ['another image of the name', { images: new Map([['redis:7', 'sha256:b']]) }, ['ok image']],
  ['no containers at all', { versions: {}, images: new Map() }, []],
])('%s', (_what, target, expected) => {
  expect(found(target)).toEqual(expected)
})

test('a manifest from before, or of a server without containers, says nothing', () => {
  const recorded = { os: 'Debian', arch: 'x86_64', versions: { tar: '1.34', docker: '20.10' } }
  expect(found({}, recorded as unknown as typeof RECORDED)).toEqual([])
  expect(recordedImages(RECORDED)).toEqual(['redis:7'])
})
