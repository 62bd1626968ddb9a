import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { RestoreDriver } from '../../src/restore/server/driver.ts'
import { lookAtDocker } from '../../src/services/docker-look.ts'
import { startDocker } from '../lab/docker.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

it('a server that went down while Compose made its volumes was refused as taken by another deployment', async () => {
  await using engine = await startDocker()
  await using temp = await tempDir('relay-leftover-')
  const { signal } = new AbortController()
  const deployment = join(temp.path, 'relay')
  const staged = join(deployment, '.relay-backup/restore-20260102T030405Z/compose')
  await mkdir(staged, { recursive: true, mode: 0o700 })
  await writeDockerDeployment(staged, { project: 'left' })
  await engine.compose(staged, 'up', '--no-start')
  process.env['DOCKER_HOST'] = engine.env['DOCKER_HOST']
  try {
    await using host = new LocalHost()
    expect((await lookAtDocker(host, { privilege: undefined, signal })).containers).toEqual([])
    await using driver = await RestoreDriver.start(
      host,
      {
        deployment,
        id: '20260102T030406Z',
        units: [],
        services: {
          manager: 'compose',
          project: 'left',
          args: ['--project-name', 'left', '--project-directory', deployment],
          renew: true,
          data: [],
          rest: ['app'],
        },
        migration: { role: 'to', host: 'old' },
        privilege: undefined,
      },
      signal,
    )
    expect(await driver.ready(signal)).toEqual({ ok: true, notes: [] })
    expect(await engine.docker('ps', '--all', '--quiet')).toBe('')
    expect(await engine.docker('volume', 'ls', '--quiet')).toContain('left_cache')
  } finally {
    delete process.env['DOCKER_HOST']
  }
}, 60_000)
