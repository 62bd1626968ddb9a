import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ours } from '../contenders/ours.ts'
import { peers } from '../contenders/peers.ts'
import type { Scenario } from '../contract.ts'
import { writeMixedTree } from '../data/tree.ts'
import { compareBackups } from './backups.ts'

export const mixed: Scenario = {
  name: 'mixed',
  about: '400 MB in 12,000 files: first backup, unchanged backup, restore',
  async run(run) {
    const { lab, scale } = run
    const folder = join(lab.folder, 'mixed')
    const deployment = join(folder, 'deployment')
    await writeMixedTree(join(deployment, 'data'), scale)
    await letSettle()
    const ours = await Ours.create('mixed/ours', {
      lab,
      deployments: { bench: deployment, target: join(folder, 'target') },
      sources: { data: { kind: 'files', path: 'data' } },
    })
    await compareBackups(run, [ours.contender(), ...peers({ lab, folder, deployment })])
  },
}

/** Files younger than two seconds count as being written, for us and for others. */
export async function letSettle(): Promise<void> {
  await sleep(2500)
}
