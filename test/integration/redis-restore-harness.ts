import { execFile } from 'node:child_process'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RedisSourceConfig } from '../../src/sources/redis/config.ts'
import type { Finding } from '../../src/model/finding.ts'
import { Secret } from '../../src/model/secret.ts'
import type { RemoteHost } from '../../src/remote/contract.ts'
import type { RestoreContext } from '../../src/sources/contract.ts'
import { restorableRedis } from '../../src/sources/redis/restore/restore.ts'
import { localProbe } from '../lab/local-host.ts'
import { resp, startRedis } from '../lab/redis.ts'
import type { LabRedis, RedisOptions } from '../lab/redis.ts'
import { makeDeployment, searchContainer, streamContent } from './redis-harness.ts'
import type { Captured } from './redis-harness.ts'

const run = promisify(execFile)

export function restoreContext(
  host: RemoteHost,
  deployment: string,
  more: { readonly password?: string; readonly steps?: string[] } = {},
): RestoreContext {
  return {
    host,
    probe: localProbe({ deployment }),
    privilege: undefined,
    secret: () => Promise.resolve(new Secret(more.password ?? '')),
    findContainer: searchContainer(host, deployment),
    step: (text) => more.steps?.push(text),
    signal: new AbortController().signal,
  }
}

/** What was captured, unpacked beside the target as a restore does it. */
export async function stage(captured: Captured, deployment: string): Promise<string> {
  const staged = join(deployment, '.relay-backup', 'restore-1', 'redis_data')
  if (captured.formats.get('') === 'stream') {
    await mkdir(staged, { recursive: true })
    await writeFile(join(staged, 'dump.rdb'), await streamContent(captured.files.get('') ?? ''))
    return staged
  }
  const unpacked = await captured.unpack()
  await mkdir(join(staged, '..'), { recursive: true })
  await run('cp', ['-a', join(unpacked, 'redis_data'), staged])
  return staged
}

export interface Restored {
  readonly target: LabRedis
  readonly data: string
  readonly preflight: Awaited<ReturnType<typeof restorableRedis.preflight>>
  readonly findings: readonly Finding[]
  /** What a person was told. */
  readonly steps: readonly string[]
}

export interface RestoreSetting extends AsyncDisposable {
  readonly deployment: string
  readonly data: string
  readonly config: RedisSourceConfig
  /** The target as it runs before the restore. */
  readonly before: LabRedis | undefined
  /** Restores as the operation does: preflight, arrange, stop, swap, start, check. */
  restore(
    captured: Captured,
    host: RemoteHost,
    /** What happens to the staged directory before it is arranged. */
    change?: (staged: string) => Promise<void>,
  ): Promise<Restored>
}

/** A target that starts with these options; `running`: it runs before the restore. */
export async function restoreSetting(
  config: (port: number) => RedisSourceConfig,
  port: number,
  options: RedisOptions & { readonly running?: boolean; readonly secret?: string } = {},
): Promise<RestoreSetting> {
  const made = await makeDeployment()
  const { running, secret, ...start } = options
  const up = (): Promise<LabRedis> => startRedis({ ...start, dir: made.data, port })
  let before: LabRedis | undefined
  let after: LabRedis | undefined
  if (running !== false) before = await up()
  return {
    deployment: made.path,
    data: made.data,
    config: config(port),
    before,
    restore: async (captured, host, change) => {
      const steps: string[] = []
      const context = restoreContext(host, made.path, { password: secret ?? '', steps })
      const source = config(port)
      const preflight = await restorableRedis.preflight(context, source, captured.facts)
      const staged = await stage(captured, made.path)
      await change?.(staged)
      await restorableRedis.arrange(context, source, captured.facts, { staged, target: made.data })
      await before?.stop()
      await rename(made.data, `${made.path}/old`)
      await rename(staged, made.data)
      after = await up()
      const findings = await restorableRedis.check(context, source, captured.facts)
      return { target: after, data: made.data, preflight, findings, steps }
    },
    [Symbol.asyncDispose]: async () => {
      await before?.kill()
      await after?.kill()
      await made[Symbol.asyncDispose]()
    },
  }
}

/** Keys of every type, binary ones, with and without an expiry, in several databases. */
export async function fillEveryType(redis: LabRedis, keys: number): Promise<void> {
  const commands: Buffer[] = []
  for (let index = 0; index < keys; index += 1) {
    const key = Buffer.from([index & 255, (index >> 8) & 255, 0, 10, 34, 92, 255])
    const name = Buffer.concat([Buffer.from(`${index}:`), key])
    const members = Array.from({ length: index % 50 === 0 ? 600 : 3 }, (_, at) => `member ${at} of ${index}`)
    switch (index % 10) {
      case 0:
        commands.push(resp('set', name, Buffer.concat([key, Buffer.from('x'.repeat(index % 300))])))
        break
      case 1:
        commands.push(resp('set', name, String(index)), resp('pexpire', name, '100000000'))
        break
      case 2:
        commands.push(resp('hset', name, ...members.flatMap((member) => [member, key])))
        break
      case 3:
        commands.push(resp('rpush', name, ...members, key))
        break
      case 4:
        commands.push(resp('sadd', name, ...members, key))
        break
      case 5:
        commands.push(resp('zadd', name, ...members.flatMap((member, at) => [`${at}.5`, member])))
        break
      case 6:
        commands.push(
          resp('xadd', name, '1-1', 'field', key),
          resp('xadd', name, '2-1', 'field', 'value'),
          resp('xgroup', 'create', name, 'group', '0'),
          resp('xreadgroup', 'group', 'group', 'consumer', 'count', '1', 'streams', name, '>'),
        )
        break
      case 7:
        commands.push(resp('pfadd', name, ...members))
        break
      case 8:
        commands.push(resp('setbit', name, String(index % 4096), '1'))
        break
      default:
        commands.push(resp('sadd', name, '1', '2', String(index)))
    }
    if (index % 1000 === 999) {
      commands.push(resp('select', String(((index / 1000) % 3) | 0)))
      await redis.pipe(Buffer.concat(commands.splice(0)))
      commands.push(resp('select', String(((index / 1000) % 3) | 0)))
    }
  }
  await redis.pipe(Buffer.concat(commands))
}

/**
 * Every key of databases 0 to 4 with its value and expiry, as digests. Sets and hashes have no order of their own:
 * their members are sorted.
 */
export async function everyValue(redis: LabRedis): Promise<readonly string[]> {
  const script = `
    local all = {}
    for db = 0, 4 do
      redis.call('select', db)
      for _, key in ipairs(redis.call('keys', '*')) do
        local value = redis.call('dump', key)
        local kind = redis.call('type', key).ok
        if kind == 'set' or kind == 'hash' then
          local members = redis.call(kind == 'set' and 'smembers' or 'hgetall', key)
          if kind == 'hash' then
            local pairs_of = {}
            for at = 1, #members, 2 do pairs_of[#pairs_of + 1] = members[at] .. '=' .. members[at + 1] end
            members = pairs_of
          end
          table.sort(members)
          value = table.concat(members, ' ')
        end
        all[#all + 1] = db .. ' ' .. redis.sha1hex(key) .. ' ' .. kind .. ' ' .. redis.sha1hex(value) .. ' ' .. redis.call('pexpiretime', key)
      end
    end
    table.sort(all)
    return all`
  const answer = await redis.cli('eval', script, '0')
  return answer === '' ? [] : answer.split('\n')
}

/** Has Redis write its AOF anew, and waits for it. */
export async function rewriteAof(redis: LabRedis): Promise<void> {
  await redis.cli('bgrewriteaof')
  await rewritten(redis)
}

/** Waits until no rewrite of the AOF runs or is about to. */
export async function rewritten(redis: LabRedis | undefined): Promise<void> {
  for (;;) {
    const info = (await redis?.cli('info', 'persistence')) ?? ''
    if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) return
  }
}
