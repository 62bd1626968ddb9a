import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { runCli } from '../../test/lab/cli.ts'
import { type LabDocker, startDocker } from '../../test/lab/docker.ts'
import { writeDockerDeployment } from '../../test/lab/docker-deployment.ts'
import { startSshd } from '../../test/lab/sshd.ts'
import { letEveryoneIn } from '../../test/lab/temp.ts'
import { OURS } from '../contenders/ours.ts'
import type { Sample, Scenario } from '../contract.ts'

/** As the report of a migration has it. */
interface Report {
  readonly downtimeSeconds: number
  readonly duration: number
  readonly laps: readonly { readonly what: string; readonly milliseconds: number }[]
}

/** Wall time alone: what runs is on this machine and two engines, not one command. */
function sample(seconds: number): Sample {
  return { seconds, rssBytes: NaN, clientCpu: NaN }
}

export const cutover: Scenario = {
  name: 'cutover',
  about: 'how long nobody serves while a small Compose app with Redis moves to another engine',
  async run({ lab, rounds, record, say }) {
    await using stack = new AsyncDisposableStack()
    const folder = join(lab.folder, 'cutover')
    await mkdir(folder)
    await letEveryoneIn(folder)
    const server = async (name: string) => {
      const engine: LabDocker = stack.use(await startDocker())
      const sshd = stack.use(await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env['DOCKER_HOST']}`] }))
      const deployment = join(folder, name, 'relay')
      await mkdir(dirname(deployment))
      await letEveryoneIn(dirname(deployment))
      const { host, port, user, identityFile, knownHosts } = sshd.sshConfig()
      const config = {
        ssh: { host, port, user, identityFile, knownHosts, agent: false },
        deployment,
        services: { manager: 'compose', data: ['redis'] },
        sources: {
          redis_data: { kind: 'redis', path: 'redis_data', service: 'redis' },
          data: { kind: 'files', paths: ['data', 'logs'] },
          cache: { kind: 'volume', volume: 'relay_cache' },
          config: { kind: 'files', paths: ['.env', 'docker-compose.yml'] },
        },
      }
      return { engine, deployment, config }
    }
    const [old, fresh] = [await server('old'), await server('new')]
    await writeDockerDeployment(old.deployment)
    await old.engine.compose(old.deployment, 'up', '-d', 'redis', 'app')
    execFileSync('dd', ['if=/dev/urandom', `of=${old.deployment}/data/blob`, 'bs=1024', 'count=64'], {
      stdio: 'ignore',
    })
    await writeFile(
      join(folder, 'hosts.yaml'),
      stringify({
        version: 1,
        vault: 'vault',
        encryption: { recipients: [lab.gpg.publicKey], identity: lab.gpg.privateKey },
        hosts: { old: old.config, new: fresh.config },
      }),
    )
    const names = ['old', 'new']
    for (let round = 0; round < rounds; round += 1) {
      const [from = '', to = ''] = round % 2 === 0 ? names : names.toReversed()
      const args = ['migrate', from, to, '--cutover', '--replace', '--yes', '--json']
      const { code, stdout, stderr } = await runCli(args, { cwd: folder })
      if (code !== 0) throw new Error(`the cutover failed: ${stderr}${stdout}`)
      const { downtimeSeconds, duration, laps } = JSON.parse(stdout) as Report
      record('nobody serves', OURS, sample(downtimeSeconds))
      record('all of it', OURS, sample(duration / 1000))
      for (const { what, milliseconds } of laps)
        record(what.replace(/ on (old|new)|to (old|new)/, ''), OURS, sample(milliseconds / 1000))
      say(laps.map(({ what, milliseconds }) => `${what} ${(milliseconds / 1000).toFixed(1)} s`).join(', '))
    }
  },
}
