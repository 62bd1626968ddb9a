import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findPlaces, lookAtApp } from '../../src/init/discover.ts'
import { wantedOf } from '../../src/init/propose.ts'
import { allKinds } from '../../src/sources/registry.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { startRedis, type LabRedis } from '../lab/redis.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'

const options = { privilege: undefined, signal: AbortSignal.timeout(60_000) }
const SQLITE = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4080)])
const ODD = "it's $(odd) \n\t-name"
let temp: TempDir
let app: string
let tools: string
let redis: LabRedis

beforeAll(async () => {
  temp = await tempDir()
  app = join(temp.path, ODD)
  tools = await busyboxTools(join(temp.path, 'tools'))
  for (const directory of ['data/deep', 'logs', 'node_modules/x', 'redis_data', ODD])
    await mkdir(join(app, directory), { recursive: true })
  await writeFile(join(app, '.env'), 'SECRET=do-not-read\n')
  await writeFile(join(app, 'docker-compose.yml'), 'services: {}\n')
  await writeFile(join(app, 'data/deep/app.db'), SQLITE)
  await writeFile(join(app, 'data/thumbs.db'), 'no database')
  await writeFile(join(app, 'node_modules/x/sample.db'), SQLITE)
  await writeFile(join(app, 'data/big'), Buffer.alloc(300_000, 'x'))
  await symlink('data', join(app, 'link'))
  redis = await startRedis({ dir: join(app, 'redis_data') })
})
afterAll(async () => {
  await redis[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

describe.each(['dash', 'busybox'])('discover.sh under %s', (shell) => {
  const host = () => new LocalHost(shell === 'busybox' ? { shell: ['busybox', 'sh'], path: tools } : {})

  it('says what lies in the deployment, how big it is, and which databases are there', async () => {
    const question = {
      ...wantedOf(allKinds()),
      directory: join(app, 'link/..'),
      sizesOf: [join(app, 'data')],
    }
    const look = await lookAtApp(host(), question, options)
    expect(look?.deployment).toBe(app)
    const entries = new Map(look?.entries.map((one) => [one.name, one]))
    expect([...entries.keys()].sort()).toEqual(
      ['.env', ODD, 'data', 'docker-compose.yml', 'link', 'logs', 'node_modules', 'redis_data'].sort(),
    )
    expect(entries.get('data')?.isDirectory).toBe(true)
    expect(entries.get('data')?.bytes).toBeGreaterThan(300_000)
    expect(entries.get('link')?.isDirectory).toBe(false)
    expect(entries.get('node_modules')?.bytes).toBeUndefined()
    expect(look?.files.filter(({ begins }) => begins?.startsWith('SQLite')).map(({ path }) => path)).toEqual([
      join(app, 'data/deep/app.db'),
    ])
    expect(look?.sizes.get(join(app, 'data'))).toBeGreaterThan(300_000)
    expect(look?.programs).toContainEqual({
      name: 'redis-server',
      directory: join(app, 'redis_data'),
      address: `127.0.0.1:${redis.port}`,
    })
    expect(look?.isCut).toBe(false)
    expect(JSON.stringify(look)).not.toContain('do-not-read')
  })

  it('says that a directory is not there, and looks for others without a word', async () => {
    const question = { programs: [], files: [], sizesOf: [] }
    expect(await lookAtApp(host(), { ...question, directory: join(app, 'gone') }, options)).toBeUndefined()
    expect((await findPlaces(host(), options)).apps).toEqual(expect.any(Array))
  })

  it('ends a list that is too long, and says so', async () => {
    const many = join(temp.path, `many-${shell}`)
    await mkdir(many)
    await Promise.all(Array.from({ length: 205 }, (_, at) => writeFile(join(many, `f${at}`), '')))
    const look = await lookAtApp(host(), { programs: [], files: [], sizesOf: [], directory: many }, options)
    expect(look?.entries).toHaveLength(200)
    expect(look?.isCut).toBe(true)
  })
})
