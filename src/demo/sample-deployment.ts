import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readAsset } from '../assets.ts'

/** The sample's directory under the demo server's home, as in the config's `deployment`. */
export const SAMPLE_DEPLOYMENT = 'app'

/** Makes the sample deployment under `home`: an app with data files, logs, `.env` and a Compose file. */
export async function createSampleDeployment(home: string): Promise<string> {
  const root = join(home, SAMPLE_DEPLOYMENT)
  await mkdir(join(root, 'redis_data'), { recursive: true })
  await mkdir(join(root, 'logs', 'archive'), { recursive: true })
  await mkdir(join(root, 'data', 'uploads'), { recursive: true })
  await writeFile(join(root, '.env'), 'PORT=3000\nREDIS_HOST=redis\nJWT_SECRET=only-a-demo\n', {
    mode: 0o600,
  })
  await writeFile(join(root, 'docker-compose.yml'), COMPOSE_FILE)
  const lines = Array.from(
    { length: 4000 },
    (_, line) => `2025-11-20T02:${pad(line / 60)}:${pad(line)}Z request ${line} ok`,
  )
  await writeFile(join(root, 'logs', 'app.log'), `${lines.join('\n')}\n`)
  await writeFile(join(root, 'logs', 'archive', 'app.log.1'), `${lines.slice(0, 500).join('\n')}\n`)
  await symlink('app.log', join(root, 'logs', 'latest'))
  for (let number = 1; number <= 20; number += 1) {
    const content = `upload ${number}\n${'0123456789abcdef'.repeat(64 * number)}\n`
    await writeFile(join(root, 'data', 'uploads', `file ${number}.txt`), content)
  }
  await writeFile(
    join(root, 'data', 'models.json'),
    `${JSON.stringify({ models: ['opus', 'sonnet', 'haiku'] }, null, 2)}\n`,
  )
  return root
}

/** Puts the shipped RDB where Redis would have left it: for machines without a redis-server. */
export async function placeSampleRdb(root: string): Promise<void> {
  await writeFile(join(root, 'redis_data', 'dump.rdb'), readAsset('demo/sample.rdb'))
}

function pad(value: number): string {
  return String(Math.floor(value) % 60).padStart(2, '0')
}

const COMPOSE_FILE = `services:
  redis:
    image: redis:7
    command: redis-server --appendonly yes
    volumes: ["./redis_data:/data"]
  claude-relay:
    image: claude-relay:latest
    env_file: .env
    volumes: ["./logs:/app/logs", "./data:/app/data"]
    depends_on: [redis]
`
