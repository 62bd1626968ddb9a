import { join } from 'node:path'
import { freePort } from '../../test/lab/ports.ts'
import { Ours } from '../contenders/ours.ts'
import { peers } from '../contenders/peers.ts'
import type { Run, Scenario } from '../contract.ts'
import { FILE_SOURCES, seedSources, writeFiles, writeSeed } from '../data/seed.ts'
import { startLab } from '../lab.ts'
import { type LinkShape, startLink } from '../link/link.ts'
import { compareBackups } from './backups.ts'
import { letSettle } from './mixed.ts'

export const slowLink: Scenario = {
  name: 'slow-link',
  about: 'the usual deployment over 20 Mbit/s and 50 ms: first and unchanged backup',
  run: (run) => overLink(run, { megabits: 20, delay: 25, lossPercent: 0 }, true),
}

export const lossyLink: Scenario = {
  name: 'lossy-link',
  about: 'its logs and data over 20 Mbit/s, 50 ms and 1 % loss: first and unchanged backup',
  run: (run) => overLink(run, { megabits: 20, delay: 25, lossPercent: 1 }, false),
}

async function overLink(run: Run, shape: LinkShape, withRedis: boolean): Promise<void> {
  await using link = await startLink(shape)
  const port = await freePort()
  await using lab = await startLab([`ListenAddress ${link.address}:${port}`], run.signal)
  const folder = join(lab.folder, 'link')
  const deployment = join(folder, 'deployment')
  const route = await lab.makeRoute('link', link.address, port, link.wrap)
  await using redis = withRedis ? await writeSeed(deployment, run.scale) : undefined
  if (redis === undefined) await writeFiles(deployment, run.scale)
  await letSettle()
  const ours = await Ours.create('link/ours', {
    lab,
    route,
    deployments: { bench: deployment },
    sources: redis === undefined ? FILE_SOURCES : seedSources(redis),
  })
  const others = peers({ lab, folder, route, deployment }).map(({ name, reset, backup }) => ({
    name,
    reset,
    backup,
  }))
  // A link is as slow each time; once is enough for minutes of waiting.
  await compareBackups({ ...run, lab, rounds: 1 }, [ours.contender(), ...others], route)
}
