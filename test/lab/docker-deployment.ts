import { chown, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LAB_IMAGE } from './docker.ts'

export interface DockerDeploymentOptions {
  /** Default: the directory's name, as Compose takes it. */
  readonly project?: string
  readonly greeting?: string
  /** What the app does before it serves; default nothing. */
  readonly appBegins?: string
  /** The app's healthcheck, a line of sh. */
  readonly appHealth?: string
  readonly redisArguments?: string
  /**
   * How often Docker looks at the health of both, in seconds; a look costs a tenth of a second of CPU. Default 5: a start
   * is not waited for by it, because the scripts ask the healthcheck themselves.
   */
  readonly checkedEvery?: number
  /** What Redis is started by, instead of `redis-server --appendonly yes --dir /data`. */
  readonly redisCommand?: string
  /** Where its data is: a volume's name instead of `./redis_data`. */
  readonly redisVolume?: string
  /** Lines of the service redis. */
  readonly redisMore?: string
  /** How long the app takes to stop; it never ends by itself. Default 1s. */
  readonly appGrace?: string
  /**
   * Redis takes a second to begin, and the app ends when it does not answer: it starts once Redis is healthy, and is
   * labelled so as Compose 2 does it.
   */
  readonly appWaits?: boolean
  /** Further services, indented by two. */
  readonly more?: string
}

/**
 * Writes a deployment as users have it: Redis with AOF and an app with `/health`, on a network of their own, data
 * of uid 999. The app shows GREETING of `.env` at `/greeting`.
 */
export async function writeDockerDeployment(
  folder: string,
  options: DockerDeploymentOptions = {},
): Promise<void> {
  for (const name of ['redis_data', 'logs', 'data']) await mkdir(join(folder, name), { recursive: true })
  await chown(join(folder, 'redis_data'), 999, 999)
  await writeFile(join(folder, 'data/health'), 'ok\n')
  const project = options.project === undefined ? '' : `COMPOSE_PROJECT_NAME=${options.project}\n`
  await writeFile(join(folder, '.env'), `${project}GREETING=${options.greeting ?? 'hello'}\n`)
  const waits = options.appWaits === true
  const begins = waits
    ? 'redis-cli -h redis ping | grep -q PONG || exit 1; '
    : options.appBegins === undefined
      ? ''
      : `${options.appBegins}; `
  const every = options.checkedEvery ?? 5
  const redisCommand = waits
    ? 'sh -c "sleep 1; exec redis-server --appendonly yes --protected-mode no --dir /data"'
    : (options.redisCommand ?? 'redis-server --appendonly yes --dir /data')
  await writeFile(
    join(folder, 'docker-compose.yml'),
    `version: "3.8"
services:
  redis:
    image: ${LAB_IMAGE}
    user: "${options.redisVolume === undefined ? 999 : 0}"
    command: ${redisCommand} ${options.redisArguments ?? ''}
    restart: unless-stopped
    volumes: ["${options.redisVolume ?? './redis_data'}:/data"]
    healthcheck: { test: [CMD, redis-cli, ping], interval: ${every}s, timeout: 5s, retries: 10 }
    ${options.redisMore ?? ''}
  app:
    image: ${LAB_IMAGE}
    command: ["sh", "-c", ${JSON.stringify(`${begins}echo $$GREETING > /tmp/greeting; exec httpd -f -p 3000 -h /app/data`)}]
    environment: { GREETING: "\${GREETING}" }
    restart: always
    stop_grace_period: ${options.appGrace ?? '1s'}
    depends_on: ${waits ? '{ redis: { condition: service_healthy } }' : '[redis]'}
    ${waits ? 'labels: { com.docker.compose.depends_on: "redis:service_healthy:false" }' : ''}
    volumes: ["./data:/app/data", "./logs:/app/logs", "cache:/app/cache"]
    healthcheck:
      test: [CMD-SHELL, ${JSON.stringify(options.appHealth ?? 'wget -q -O - http://127.0.0.1:3000/health')}]
      interval: ${every}s
      timeout: 5s
      retries: 3
  idle:
    image: ${LAB_IMAGE}
    command: sleep 1000
    stop_grace_period: 1s
    volumes: ["./data:/data:ro"]
${options.more ?? ''}
volumes:
  cache:
${options.redisVolume === undefined ? '' : `  ${options.redisVolume}:\n`}`,
  )
}
