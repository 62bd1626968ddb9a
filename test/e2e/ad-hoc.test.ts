import { existsSync } from 'node:fs'
import { appendFile, cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli, type CliResult } from '../lab/cli.ts'
import { startSshd, type Sshd } from '../lab/sshd.ts'
import { startWorld, type World } from '../lab/world.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

/** Runs it as a user whose SSH key and known hosts lie where ssh has them. */
async function asUser(...args: string[]): Promise<CliResult> {
  const home = join(world.home, 'home')
  await mkdir(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  const { identityFile, knownHosts } = world.sshd.sshConfig() as { identityFile: string; knownHosts: string }
  await cp(identityFile, join(home, '.ssh', 'id_ed25519'))
  await cp(knownHosts, join(home, '.ssh', 'known_hosts'))
  return await runCli(args, { cwd: world.home, env: { HOME: home, SSH_AUTH_SOCK: '' } })
}

test('an ad-hoc target takes the paths of the snapshot, and leaves no host in the vault', async () => {
  await rename(join(world.deployment, 'data'), join(world.deployment, 'd2'))
  await rename(join(world.deployment, 'logs'), join(world.deployment, 'l2'))
  const { redis_data, config } = world.config.hosts['prod']!.sources
  world.config.hosts['prod']!.sources = {
    redis_data: redis_data!,
    data: { kind: 'files', path: 'd2' },
    logs: { kind: 'files', paths: ['l2', 'docker-compose.yml'] },
    config: { ...config, paths: ['.env'] },
  }
  await world.writeConfig()
  expect(await world.cli('pull')).toMatchObject({ code: 0 })
  const target = `root@127.0.0.1:${(world.sshd.sshConfig() as { port: number }).port}`
  const fresh = join(world.home, 'fresh')
  const restore = ['restore', 'prod/latest', '--host', target, '--deployment', fresh]
  const files = ['--source', 'data', 'logs', 'config']
  const planned = JSON.parse((await asUser(...restore, ...files, '--dry-run', '--json')).stdout) as {
    plan: { units: { target: string }[] }
  }
  const targets = ['d2', 'l2', 'docker-compose.yml', '.env'].map((name) => join(fresh, name))
  expect(planned.plan.units.map((unit) => unit.target).sort()).toEqual(targets.sort())

  // The target's address may be an alias.
  const { port } = world.sshd.sshConfig() as { port: number }
  const alias = `Host nearby\n  HostName 127.0.0.1\n  Port ${port}\n`
  await writeFile(join(world.home, 'home', '.ssh', 'config'), alias, { mode: 0o600 })
  const byAlias = ['restore', 'prod/latest', '--host', 'root@nearby', '--deployment', fresh]
  const same = await asUser(...byAlias, ...files, '--dry-run')
  expect(same.code, same.stderr + same.stdout).toBe(0)
  expect(same.stdout).toContain('to root@nearby')

  // Or the alias is the target. The config has the user then.
  await appendFile(join(world.home, 'home', '.ssh', 'config'), '  User root\n')
  const plain = [...restore.map((word) => (word === target ? 'nearby' : word)), ...files, '--dry-run']
  const byName = await asUser(...plain)
  expect(byName.code, byName.stderr + byName.stdout).toBe(0)
  expect(byName.stdout).toContain('to nearby')
  const typo = await asUser(...plain.map((word) => (word === 'nearby' ? 'nearbu' : word)))
  expect(typo.code).toBe(2)
  expect(typo.stderr).toContain('Did you mean "nearby"?')

  const restored = await asUser(...restore, ...files, '--yes')
  expect(restored.code, restored.stderr + restored.stdout).toBe(0)
  const listed = JSON.parse((await world.cli('list', '--json')).stdout) as { hosts: { host: string }[] }
  expect(listed.hosts.map(({ host }) => host)).toEqual(['prod'])
  const shown = await world.cli('show', 'latest')
  expect(shown.code, shown.stderr).toBe(0)
})

/** `ssh` of the config, or lines of ~/.ssh/config, that lead to one of the two servers. */
function longForm(sshd: Sshd) {
  const { host, port, user, identityFile, knownHosts } = sshd.sshConfig()
  return { host, port, user, identityFile, knownHosts, agent: false }
}

const aliasOf = ({ port, identityFile, knownHosts }: Sshd): string =>
  `Host fresh\n HostName 127.0.0.1\n Port ${port}\n User root\n IdentityFile ${identityFile}\n UserKnownHostsFile ${knownHosts}\n`

test('a deployment moves to an alias, and either name takes it back', async () => {
  const homes = { old: join(world.home, 'old'), fresh: join(world.home, 'fresh') }
  await mkdir(join(homes.old, 'app', 'data'), { recursive: true })
  await mkdir(homes.fresh)
  await writeFile(join(homes.old, 'app', 'data', 'd'), 'd')
  await writeFile(join(homes.old, 'serves'), '')
  await using old = await startSshd({ config: [`SetEnv HOME=${homes.old}`] })
  await using fresh = await startSshd({ config: [`SetEnv HOME=${homes.fresh}`] })
  world.config.hosts = {
    prod: {
      ssh: longForm(old),
      deployment: '~/app',
      services: {
        manager: 'command',
        stop: 'rm ~/serves',
        start: 'touch ~/serves',
        status: 'test -e ~/serves',
      },
      sources: { data: { kind: 'files', path: 'data' } },
    },
  }
  await world.writeConfig()
  await mkdir(join(world.home, 'home', '.ssh'), { recursive: true })
  await writeFile(join(world.home, 'home', '.ssh', 'config'), aliasOf(fresh))
  const serving = () =>
    Object.entries(homes).flatMap(([name, home]) => (existsSync(join(home, 'serves')) ? name : []))

  const moved = await asUser('migrate', 'prod', 'fresh', '--cutover', '--yes')
  expect(moved.code, moved.stderr + moved.stdout).toBe(0)
  expect(serving()).toEqual(['fresh'])
  expect(await readFile(join(homes.fresh, 'app', 'data', 'd'), 'utf8')).toBe('d')

  const back = await asUser('rollback', '--host', 'prod', '--yes')
  expect(back.code, back.stderr + back.stdout).toBe(0)
  expect(serving()).toEqual(['old'])

  const command = `relay-backup rollback --host fresh --deployment ${homes.fresh}/app`
  expect(moved.stdout).toContain(`: ${command}\n`)
  const settled = await asUser(...command.split(' ').slice(1), '--yes')
  expect(settled.code, settled.stderr + settled.stdout).toBe(0)
  expect(settled.stdout).toContain('is settled already')

  const nobody = await asUser('migrate', 'fresh', 'fresh', '--dry-run')
  expect(nobody.code).toBe(2)
  expect(nobody.stderr).toContain('FROM and TO are two hosts of the config')
})
