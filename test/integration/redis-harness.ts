import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import { packTar } from '../../src/archive/pack-tar.ts'
import { createRecordSorter } from '../../src/archive/record-sorter.ts'
import { writeArchive } from '../../src/archive/write-archive.ts'
import type { ServicesConfig } from '../../src/model/config.ts'
import type { RedisSourceConfig } from '../../src/sources/redis/config.ts'
import type { RedisFacts } from '../../src/sources/redis/facts.ts'
import { Secret } from '../../src/model/secret.ts'
import type { HostProbe, Privilege, RemoteHost } from '../../src/remote/contract.ts'
import { readSecretFile } from '../../src/secrets/secret-file.ts'
import type { Notice } from '../../src/report/contract.ts'
import { findSourceContainer } from '../../src/services/source-container.ts'
import type {
  CaptureArchive,
  CaptureOutcome,
  PullContext,
  SearchContainer,
} from '../../src/sources/contract.ts'
import { redisSource } from '../../src/sources/redis/index.ts'
import { localProbe } from '../lab/local-host.ts'

const run = promisify(execFile)

/** A source at this port whose directory is `<deployment>/redis_data`. */
export function redisConfig(port: number, more: Partial<RedisSourceConfig> = {}): RedisSourceConfig {
  return {
    kind: 'redis',
    name: 'redis_data',
    path: 'redis_data',
    capture: 'rdb',
    at: { address: '127.0.0.1', port, tls: false },
    ...more,
  }
}

/** Looks for containers on a host; by default those of the deployment's own Compose project. */
export function searchContainer(
  host: RemoteHost,
  deployment: string,
  services: ServicesConfig = { manager: 'compose', data: [] },
): SearchContainer {
  return (reference) =>
    findSourceContainer(host, services, reference, {
      deployment,
      privilege: undefined,
      signal: new AbortController().signal,
    })
}

/** A deployment with an empty `redis_data`, removed at the end. */
export async function makeDeployment(): Promise<{ path: string; data: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'relay-redis-deployment-'))
  const data = join(path, 'redis_data')
  await mkdir(data)
  return { path, data, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export interface Captured extends AsyncDisposable {
  readonly outcome: CaptureOutcome
  readonly facts: RedisFacts
  readonly notices: readonly Omit<Notice, 'host' | 'source'>[]
  readonly steps: readonly string[]
  /** Where each archive was stored, by part, as the server's own tools see it. */
  readonly files: ReadonlyMap<string, string>
  readonly formats: ReadonlyMap<string, string>
  /** Unpacks every archive, in order, by GNU tar; returns the directory. */
  unpack(): Promise<string>
}

export interface CaptureOptions {
  readonly host: RemoteHost
  readonly deployment: string
  readonly probe?: Partial<HostProbe>
  readonly privilege?: Privilege
  readonly password?: string
  /** Secrets in files are read from there; else every secret is the password. */
  readonly secretFiles?: boolean
  readonly services?: ServicesConfig
  readonly signal?: AbortSignal
  readonly onStep?: (text: string) => void
  /** Called while an archive is there and has not been read. */
  readonly onArchive?: (archive: CaptureArchive) => Promise<void>
}

/** What a look (of a dry run) says. */
export async function look(
  config: RedisSourceConfig,
  options: CaptureOptions,
): Promise<readonly Omit<Notice, 'host' | 'source'>[]> {
  const notices: Omit<Notice, 'host' | 'source'>[] = []
  await redisSource.look(pullContext(options, { folder: '/nowhere', notices, steps: [] }), config)
  return notices
}

function pullContext(
  options: CaptureOptions,
  { folder, notices, steps }: { folder: string; notices: Omit<Notice, 'host' | 'source'>[]; steps: string[] },
): PullContext {
  return {
    host: options.host,
    probe: localProbe({ deployment: options.deployment, ...options.probe }),
    privilege: options.privilege,
    compression: { kind: 'auto' },
    secret: (reference) =>
      options.secretFiles === true && 'file' in reference
        ? readSecretFile(reference.file)
        : Promise.resolve(new Secret(options.password ?? '')),
    findContainer: searchContainer(options.host, options.deployment, options.services),
    step: (text) => {
      steps.push(text)
      options.onStep?.(text)
    },
    notice: (notice) => notices.push(notice),
    packTar,
    createSorter: () => createRecordSorter(join(folder, `sorting-${Math.random()}`)),
    signal: options.signal ?? new AbortController().signal,
  }
}

/** Runs a capture through the real pipe, all but the encryption, and stores its archives. */
export async function capture(config: RedisSourceConfig, options: CaptureOptions): Promise<Captured> {
  const folder = await mkdtemp(join(tmpdir(), 'relay-redis-captured-'))
  const notices: Omit<Notice, 'host' | 'source'>[] = []
  const steps: string[] = []
  const files = new Map<string, string>()
  const formats = new Map<string, string>()
  const context = pullContext(options, { folder, notices, steps })
  const { signal } = context
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    await using running = await redisSource.capture(context, config)
    for await (const archive of running.archives()) {
      await options.onArchive?.(archive)
      const file = join(folder, `${archive.part || 'main'}.${archive.input.store}`)
      const sink = createWriteStream(file)
      const failure = await writeArchive(archive.input, {
        encryptor: {
          recipients: [],
          encrypt: () => Promise.resolve({ stream: new PassThrough(), headBytes: 0 }),
        },
        sink: { stream: sink },
        observer: archive.observer,
        signal,
      }).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      if (failure) archive.abort()
      await archive.finish()
      if (failure) throw failure.error
      if (!sink.closed) await finished(sink).catch(() => undefined)
      files.set(archive.part, file)
      formats.set(archive.part, archive.format)
    }
    const outcome = await running.finish()
    return {
      outcome,
      facts: outcome.facts as RedisFacts,
      notices,
      steps,
      files,
      formats,
      unpack: async () => {
        const into = join(folder, 'unpacked')
        await mkdir(into)
        for (const file of files.values()) await run('tar', ['-x', '-p', '--zstd', '-f', file, '-C', into])
        return into
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** What a stream archive holds. */
export async function streamContent(file: string): Promise<Buffer> {
  const { stdout } = await run('zstd', ['-d', '-c', file], { encoding: 'buffer', maxBuffer: 1 << 30 })
  return stdout
}
