import { join } from 'node:path'
import { OURS, Ours } from '../contenders/ours.ts'
import type { Scenario } from '../contract.ts'
import { FILE_SOURCES } from '../data/seed.ts'
import { writeVault } from '../data/vault.ts'

export const vault: Scenario = {
  name: 'vault',
  about: 'a vault of 10,000 snapshots: list, prune --dry-run, and a prune that removes a tenth',
  async run({ lab, scale, record, say }) {
    const snapshots = Math.ceil(10_000 * scale)
    say(`writing ${snapshots} snapshots`)
    const ours = await Ours.create('vault/ours', {
      lab,
      deployments: { bench: join(lab.folder, 'vault/none') },
      sources: FILE_SOURCES,
      retention: { last: Math.ceil(snapshots * 0.9) },
    })
    await writeVault(ours.vault, snapshots)
    record('list', OURS, await lab.measure(ours.command('list')))
    record('list --json', OURS, await lab.measure(ours.command('list', '--json')))
    record('prune --dry-run', OURS, await lab.measure(ours.command('prune', '--dry-run')))
    record('prune of a tenth', OURS, await lab.measure(ours.command('prune')))
  },
}
