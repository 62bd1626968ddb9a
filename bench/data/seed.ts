import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type LabRedis, resp, startRedis } from '../../test/lab/redis.ts'
import type { Sources } from '../contenders/ours.ts'
import { incompressible } from './random.ts'
import { logLines } from './text.ts'
import { writeOld } from './tree.ts'

const REDIS_BYTES = 30_000_000
const LOG_BYTES = 3_000_000
const DATA_BYTES = 500_000

/** Data set (b) of docs/design/numbers.md: the seed's real size, 30 MB Redis, 3 MB logs, 0.5 MB data. */
export async function writeSeed(deployment: string, scale: number): Promise<LabRedis> {
  await writeFiles(deployment, scale)
  const dir = join(deployment, 'redis_data')
  await mkdir(dir, { recursive: true })
  const redis = await startRedis({ dir })
  await fill(redis, REDIS_BYTES * scale)
  await redis.cli('SAVE')
  return redis
}

/** The sources of such a deployment. */
export function seedSources(redis: LabRedis): Sources {
  return {
    redis_data: { kind: 'redis', path: 'redis_data', address: `127.0.0.1:${redis.port}` },
    ...FILE_SOURCES,
  }
}

/** Those of {@link writeFiles}. */
export const FILE_SOURCES: Sources = {
  logs: { kind: 'files', path: 'logs' },
  data: { kind: 'files', path: 'data' },
  config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
}

/** Logs, data and the files of the app itself. */
export async function writeFiles(deployment: string, scale: number): Promise<void> {
  const logs = Math.ceil((LOG_BYTES * scale) / 6)
  for (let day = 1; day <= 6; day += 1) {
    await writeOld(join(deployment, `logs/app-2025-01-0${day}.log`), logLines(logs, day))
  }
  const data = Math.ceil((DATA_BYTES * scale) / 20)
  for (let part = 0; part < 20; part += 1) {
    await writeOld(join(deployment, `data/part-${part}.json`), logLines(data, 100 + part))
  }
  await writeOld(join(deployment, '.env'), 'JWT_SECRET=bench\n')
  await writeOld(join(deployment, 'docker-compose.yml'), 'services: {}\n')
}

/** Sessions as the app keeps them: a JSON document with random tokens. */
async function fill(redis: LabRedis, bytes: number): Promise<void> {
  const each = 512
  const count = Math.ceil(bytes / each)
  const tokens = incompressible(count * 300, 'sessions')
  for (let key = 0; key < count;) {
    const batch: Buffer[] = []
    for (; key < count && batch.length < 5000; key += 1) {
      const token = tokens.toString('base64', key * 300, key * 300 + 300)
      const value = JSON.stringify({ id: key, account: key % 40, state: 'active', token, requests: key * 7 })
      batch.push(resp('SET', `session:${key}`, value))
    }
    await redis.pipe(Buffer.concat(batch))
  }
}
