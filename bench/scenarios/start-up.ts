import { join } from 'node:path'
import { OURS, Ours } from '../contenders/ours.ts'
import type { Scenario } from '../contract.ts'
import { FILE_SOURCES } from '../data/seed.ts'
import { writeVault } from '../data/vault.ts'

export const startUp: Scenario = {
  name: 'start-up',
  about: '--version, and list of 1,000 snapshots',
  async run({ lab, rounds, scale, record }) {
    const deployments = { bench: join(lab.folder, 'start-up/none') }
    const ours = await Ours.create('start-up/ours', { lab, deployments, sources: FILE_SOURCES })
    await writeVault(ours.vault, Math.ceil(1000 * scale))
    for (let round = 0; round < rounds * 3; round += 1) {
      record('--version', OURS, await lab.measure(ours.command('--version')))
      record('list of 1,000', OURS, await lab.measure(ours.command('list')))
    }
  },
}
