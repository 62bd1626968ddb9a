import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ours } from '../contenders/ours.ts'
import { borg, restic, rsync } from '../contenders/peers.ts'
import type { Scenario } from '../contract.ts'
import { writeLog } from '../data/tree.ts'
import { startRelay } from '../relay.ts'
import { letSettle } from './mixed.ts'

export const append: Scenario = {
  name: 'append',
  about: 'one line appended to a log of 1 GiB: bytes over the wire',
  async run({ lab, scale, record, say }) {
    const folder = join(lab.folder, 'append')
    const deployment = join(folder, 'deployment')
    const log = join(deployment, 'logs/app.log')
    await writeLog(log, Math.ceil(1024 ** 3 * scale))
    await letSettle()
    await using relay = await startRelay(lab.sshd.port)
    const route = await lab.makeRoute('relay', '127.0.0.1', relay.port)
    const ours = await Ours.create('append/ours', {
      lab,
      route,
      deployments: { bench: deployment },
      sources: { logs: { kind: 'files', path: 'logs' } },
    })
    const peer = { lab, folder, route, deployment }
    for (const { name, reset, backup } of [ours.contender(), rsync(peer), restic(peer), borg(peer)]) {
      say(name)
      await reset()
      await lab.measure(backup(), route)
      await appendFile(log, '1735689600000 [INFO] relay: one more line\n')
      relay.take()
      const sample = await lab.measure(backup(), route)
      record('appended', name, { ...sample, wireBytes: relay.take() })
    }
  },
}
