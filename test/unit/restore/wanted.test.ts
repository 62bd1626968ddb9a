import { expect, it } from 'vitest'
import type { VolumeSourceConfig } from '../../../src/sources/volume/config.ts'
import type { ManifestSource } from '../../../src/model/snapshot.ts'
import { wantedPaths } from '../../../src/restore/wanted.ts'

const source = { name: 'uploads', kind: 'volume' } as ManifestSource
const config: VolumeSourceConfig = {
  name: 'uploads',
  kind: 'volume',
  volume: 'app_uploads',
  exclude: [],
  paths: ['/srv/docker/volumes/app_uploads/_data'],
}
const from = ['/var/lib/docker/volumes/old_uploads/_data']
const targets = (selected?: readonly string[]) =>
  wantedPaths(source, config, from, selected, '/srv/app').map(({ member, target }) => [member, target])

it('a volume goes where the target’s Docker keeps the one of that source', () => {
  expect(targets()).toEqual([
    ['var/lib/docker/volumes/old_uploads/_data', '/srv/docker/volumes/app_uploads/_data'],
  ])
})

it('and so does a part of it', () => {
  expect(targets(['var/lib/docker/volumes/old_uploads/_data/a/b'])).toEqual([
    ['var/lib/docker/volumes/old_uploads/_data/a/b', '/srv/docker/volumes/app_uploads/_data/a/b'],
  ])
})
