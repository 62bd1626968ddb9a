import { describe, expect, it } from 'vitest'
import type { Need } from '../../../src/migrate/needs.ts'
import { volumesToMake } from '../../../src/migrate/volumes.ts'

const need = (path: string, more: Partial<Need> = {}): Need => ({
  path,
  what: 'Compose file',
  volume: undefined,
  writable: false,
  from: { type: 'file', sum: 'a', real: path },
  target: path,
  to: { type: 'absent', sum: undefined, real: path },
  ...more,
})
const labels = { directory: '/srv/app', files: ['/srv/app/docker-compose.yml'], envFiles: [] }

describe('what Compose makes the volumes of a bare server from', () => {
  it('is all that it reads itself, and no data of the containers', () => {
    const found = volumesToMake(['app_cache'], 'app', labels, [
      need('/srv/app/docker-compose.yml'),
      need('/srv/app/app.env', { what: 'env file of app' }),
      need('/srv/app/build', {
        what: 'build context of app',
        from: { type: 'directory', sum: undefined, real: '/srv/app/build' },
      }),
      need('/srv/app/data', { what: 'mount of app' }),
      need('/var/lib/docker/volumes/app_cache/_data', { volume: 'app_cache', what: 'mount of app' }),
      need('/etc/elsewhere.env', { what: 'env file of app' }),
    ])
    expect(found?.parts).toEqual([
      { path: '/srv/app/docker-compose.yml', type: 'file' },
      { path: '/srv/app/app.env', type: 'file' },
      { path: '/srv/app/build', type: 'directory' },
    ])
  })

  it('is not known where no file is, and not asked where no volume is missing', () => {
    expect(volumesToMake([], 'app', labels, [])).toBeUndefined()
    expect(volumesToMake(['x'], 'app', { ...labels, files: [] }, [])).toBeUndefined()
  })
})
