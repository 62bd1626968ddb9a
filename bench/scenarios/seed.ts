import { join } from 'node:path'
import { Ours } from '../contenders/ours.ts'
import { peers } from '../contenders/peers.ts'
import type { Scenario } from '../contract.ts'
import { seedSources, writeSeed } from '../data/seed.ts'
import { compareBackups } from './backups.ts'
import { letSettle } from './mixed.ts'

export const seed: Scenario = {
  name: 'seed',
  about: 'the usual deployment, 30 MB Redis, 3 MB logs, 0.5 MB data: first and unchanged backup',
  async run(run) {
    const { lab, scale } = run
    const folder = join(lab.folder, 'seed')
    const deployment = join(folder, 'deployment')
    await using redis = await writeSeed(deployment, scale)
    await letSettle()
    const ours = await Ours.create('seed/ours', {
      lab,
      deployments: { bench: deployment },
      sources: seedSources(redis),
    })
    const others = peers({ lab, folder, deployment }).map(({ name, reset, backup }) => ({
      name,
      reset,
      backup,
    }))
    await compareBackups(run, [ours.contender(), ...others])
  },
}
