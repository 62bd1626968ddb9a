import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from './world.ts'

/** Lines of sh that stop, start and ask for the lab's Redis, as the manager `command` has them in the config. */
export type CommandServices = Record<'manager' | 'stop' | 'start' | 'status', string>

/**
 * Lets `prod` stop and start its Redis by lines of sh. A stop saves, so that what is set aside is what was there.
 * Returns the config's own object: change it and call `writeConfig`.
 */
export async function useCommandServices(world: World): Promise<CommandServices> {
  const { port } = world.redis
  const cli = `redis-cli -h 127.0.0.1 -p ${port}`
  const services: CommandServices = {
    manager: 'command',
    stop: `${cli} shutdown save || true; i=0; while ${cli} ping && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; true`,
    start: `redis-server --port ${port} --bind 127.0.0.1 --dir ${world.deployment}/redis_data --save "" --daemonize yes --logfile ${world.home}/redis.log && i=0; until ${cli} ping | grep -q PONG || [ $i -ge 300 ]; do sleep 0.1; i=$((i+1)); done`,
    status: `${cli} ping | grep -q PONG`,
  }
  world.config.hosts['prod']!['services'] = services
  await world.writeConfig()
  return services
}

/** Runs redis-cli against whatever serves the lab's port now, which a restore has started. */
export function redisNow(world: World, ...args: string[]): string {
  for (let tries = 0; ; tries += 1) {
    try {
      return redisCli(world, ...args)
    } catch (error) {
      // A daemon that was just started listens, and has loaded, a moment later.
      if (tries >= 300) throw error
      execFileSync('sleep', ['0.1'])
    }
  }
}

/** Whether a Redis serves the lab's port at this moment. */
export function redisServes(world: World): boolean {
  try {
    return redisCli(world, 'ping') === 'PONG'
  } catch {
    return false
  }
}

function redisCli(world: World, ...args: string[]): string {
  return execFileSync('redis-cli', ['-e', '-p', String(world.redis.port), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .toString()
    .trim()
}

/** Stops the Redis that a restore has started. */
export function shutDownRedis(world: World): void {
  try {
    redisCli(world, 'shutdown', 'nosave')
  } catch {
    // It runs no more.
  }
}

/** All keys with their values, sorted. */
export function redisKeys(world: World): string {
  const keys = redisNow(world, '--scan').split('\n').sort()
  const values = redisNow(world, 'mget', ...keys).split('\n')
  return keys.map((key, at) => `${key}=${values[at] ?? ''}`).join('\n')
}

/** Names, types, modes, owners, times, links and hashes of a tree, sorted; Redis' own files are left out. */
export function treeListing(root: string): string {
  const find = 'cd "$1" && find . -path ./redis_data -prune -o -printf "%P|%y|%m|%U|%G|%T@|%l|%n\\n" | sort'
  const lines = execFileSync('sh', ['-c', find, 'sh', root]).toString()
  const hashes = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.startsWith('redis_data') && lstatSync(join(root, name)).isFile())
    .sort()
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(root, name)))
          .digest('hex')}`,
    )
  return [lines, ...hashes].join('\n')
}

/** Processes of our scripts that work on a deployment, and what they have started; not Redis. */
export function serverScripts(deployment: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        return (
          command.includes(deployment) && !command.includes('redis-server') && !/\0--bind\0/.test(command)
        )
      } catch {
        return false
      }
    })
}

/** Waits until nothing of ours works on a deployment any more; a lease that is cut ends within a minute. */
export async function scriptsEnded(deployment: string): Promise<void> {
  for (let tries = 0; tries < 900 && serverScripts(deployment).length > 0; tries += 1) await sleep(100)
  const left = serverScripts(deployment)
  if (left.length > 0) throw new Error(`scripts still run: ${left.join(' ')}`)
}
