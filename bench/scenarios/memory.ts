import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OURS, Ours } from '../contenders/ours.ts'
import type { Scenario } from '../contract.ts'
import { writeLargeFile } from '../data/tree.ts'

export const memory: Scenario = {
  name: 'memory',
  about: 'largest resident set while 100 MB and 10 GB are pulled',
  async run({ lab, scale, record, say }) {
    for (const [step, bytes] of [
      ['pull of 100 MB', 100e6],
      ['pull of 10 GB', 10e9],
    ] as const) {
      say(step)
      const deployment = join(lab.folder, 'memory/deployment')
      await writeLargeFile(join(deployment, 'data/large.bin'), Math.ceil(bytes * scale))
      const ours = await Ours.create('memory/ours', {
        lab,
        deployments: { bench: deployment },
        sources: { data: { kind: 'files', path: 'data' } },
      })
      await ours.reset()
      record(step, OURS, await lab.measure(ours.contender().backup()))
      await ours.reset()
      await rm(deployment, { recursive: true })
    }
  },
}
