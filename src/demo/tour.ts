import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ExitCode } from '../exit-codes.ts'
import { startEmbeddedServer } from '../remote/embedded-server.ts'
import { generateSshKeyPair } from '../remote/ssh-key-pair.ts'
import { createSampleDeployment, placeSampleRdb, SAMPLE_DEPLOYMENT } from './sample-deployment.ts'
import { startSecondRedis, startSampleRedis, type SecondRedis } from './sample-redis.ts'
import { digestTree } from './tree-digest.ts'

/** A command's outcome, as far as the tour shows it. */
interface Shown {
  readonly exitCode: ExitCode
  readonly text: string
  readonly json: unknown
}

/** What the tour needs of the product: the same commands that a user types. */
export interface TourParts {
  /** Exists, is empty, and holds everything that the tour makes. */
  readonly directory: string
  readonly tell: (text: string) => void
  /** Makes a key pair in a directory and returns the file names for the config. */
  readonly generateIdentity: (
    keys: string,
  ) => Promise<{ readonly recipient: string; readonly identity: string }>
  readonly pull: (config: string) => Promise<Shown>
  readonly list: (config: string) => Promise<Shown>
  readonly verify: (config: string) => Promise<Shown>
  readonly restore: (config: string) => Promise<Shown>
  readonly signal: AbortSignal
}

/** One station of the tour, for `--json`. */
export interface TourStep {
  readonly command: string
  readonly exitCode: ExitCode
  readonly result: unknown
}

/**
 * The guided tour: a sample server comes up behind a real SSH connection, then the product's own commands run
 * against it. Stops at the first command that does not succeed.
 */
export async function runTour(parts: TourParts): Promise<TourStep[]> {
  const { directory, tell, signal } = parts
  const home = join(directory, 'server')
  const root = await createSampleDeployment(home)
  await using redis = await startSampleRedis(join(root, 'redis_data'), signal)
  if (redis === undefined) await placeSampleRdb(root)
  const secondRoot = join(directory, 'second', SAMPLE_DEPLOYMENT)
  await mkdir(join(secondRoot, 'redis_data'), { recursive: true })
  await using secondRedis = redis && (await startSecondRedis(join(secondRoot, 'redis_data'), signal))
  const client = generateSshKeyPair()
  const secondHome = join(directory, 'second')
  await using server = await startEmbeddedServer({ home, authorizedKey: client.publicKey })
  await using second = await startEmbeddedServer({ home: secondHome, authorizedKey: client.publicKey })

  tell(`A sample server is up: SSH on 127.0.0.1:${server.port}, with an app in ~/${SAMPLE_DEPLOYMENT}`)
  tell(
    redis === undefined
      ? 'No redis-server is here: its Redis is stopped (a warning says so), with a shipped dump.rdb.'
      : `Its Redis is a real one, on port ${redis.port}, with a thousand keys.`,
  )
  const keys = join(directory, 'keys')
  await mkdir(keys, { mode: 0o700 })
  const identity = await parts.generateIdentity(keys)
  tell('A key pair was made: pulling needs only the public half.')
  await writeFile(join(keys, 'ssh.key'), client.privateKey, { mode: 0o600 })
  const known = [server, second].map(({ port, hostPublicKey }) => `[127.0.0.1]:${port} ${hostPublicKey}\n`)
  await writeFile(join(keys, 'known_hosts'), known.join(''), { mode: 0o600 })
  const config = join(directory, 'hosts.yaml')
  await writeFile(
    config,
    configText({
      port: server.port,
      secondPort: second.port,
      redisPort: redis?.port,
      secondRedis,
      ...identity,
    }),
  )

  const steps: TourStep[] = []
  const station = async (title: string, command: string, run: (config: string) => Promise<Shown>) => {
    tell(`\n${title}\n$ relay-backup ${command}`)
    const shown = await run(config)
    if (shown.text !== '') tell(shown.text)
    steps.push({ command, exitCode: shown.exitCode, result: shown.json })
    return shown.exitCode === 0
  }
  const done =
    (await station('1. Pull: capture, encrypt, read back, commit.', 'pull sample', parts.pull)) &&
    (await station('2. What is in the vault?', 'list', parts.list)) &&
    (await station('3. Is it still what was written? (needs no secret)', 'verify --all', parts.verify))
  if (!done) return steps
  tell('\nThe archives open with stock tools, without relay-backup:')
  tell('  gpg -d data.tar.zst.gpg | zstd -d | tar -x')

  const before = await digestTree(root, COMPARED)
  const keysBefore = await redis?.keys()
  tell('\n4. Disaster: somebody deletes the data and flushes Redis.')
  for (const name of COMPARED) await rm(join(root, name), { recursive: true })
  await redis?.flush()
  const restored = await station(
    '5. Restore onto a second server, whose Redis runs and is empty.',
    'restore --from sample --host second --yes',
    parts.restore,
  )
  if (!restored) return steps
  const after = await digestTree(secondRoot, COMPARED)
  const keysAfter = await secondRedis?.keys()
  const sameKeys = isDeepStrictEqual(keysBefore, keysAfter)
  const same = before.sha256 === after.sha256 && sameKeys
  tell('\n6. Compared with what was there before the disaster:')
  tell(
    `  files:      ${after.entries} of ${before.entries}, ${before.sha256 === after.sha256 ? 'identical' : 'DIFFERENT'}`,
  )
  if (keysBefore !== undefined)
    tell(
      `  Redis keys: ${keysAfter?.length} of ${keysBefore.length}, ${sameKeys ? 'the same' : 'DIFFERENT'}, in the Redis that runs there`,
    )
  steps.push({
    command: 'compare',
    exitCode: same ? ExitCode.done : ExitCode.damage,
    result: {
      before: { ...before, keys: keysBefore?.length },
      after: { ...after, keys: keysAfter?.length },
    },
  })
  if (same) tell(NEXT)
  return steps
}

/** What the tour loses and brings back, besides Redis. */
const COMPARED = ['logs', 'data', '.env', 'docker-compose.yml']

const NEXT = `
Your own servers, in three commands:
  relay-backup init    # looks at a server, writes the config and the keys
  relay-backup check   # says what is missing, and what to do
  relay-backup pull`

function configText(values: {
  readonly port: number
  readonly secondPort: number
  readonly redisPort: number | undefined
  readonly secondRedis: SecondRedis | undefined
  readonly recipient: string
  readonly identity: string
}): string {
  // A stopped Redis: nothing may answer at this address. Port 1 is tcpmux, which nobody runs.
  const redisAddress = `127.0.0.1:${values.redisPort ?? 1}`
  const { secondRedis } = values
  const services = { manager: 'command', ...secondRedis?.services }
  return `version: 1
vault: vault
encryption:
  recipients: [${JSON.stringify(values.recipient)}]
  identity: ${JSON.stringify(values.identity)}
retention: { last: 7 }
hosts:
  sample:
    ssh: { host: 127.0.0.1, port: ${values.port}, user: demo, identityFile: keys/ssh.key, knownHosts: keys/known_hosts, agent: false }
    deployment: ~/${SAMPLE_DEPLOYMENT}
    sources:
      redis_data: { kind: redis, path: redis_data, address: ${JSON.stringify(redisAddress)} }
      logs:       { kind: files, path: logs }
      data:       { kind: files, path: data }
      config:     { kind: files, paths: [.env, docker-compose.yml] }
  second:
    ssh: { host: 127.0.0.1, port: ${values.secondPort}, user: demo, identityFile: keys/ssh.key, knownHosts: keys/known_hosts, agent: false }
    deployment: ~/${SAMPLE_DEPLOYMENT}
    services: ${secondRedis === undefined ? '{ manager: none }' : JSON.stringify(services)}
    sources:
      redis_data: { kind: redis, path: redis_data, address: "127.0.0.1:${secondRedis?.port ?? 1}" }
      logs:       { kind: files, path: logs }
      data:       { kind: files, path: data }
      config:     { kind: files, paths: [.env, docker-compose.yml] }
`
}
