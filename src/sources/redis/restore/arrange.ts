import { RemoteError, SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import type { RedisFacts } from '../../../model/facts.ts'
import { fieldsOf } from '../../../model/talk.ts'
import { formatSize } from '../../../model/units.ts'
import type { RestoreContext, StagedSource } from '../../contract.ts'
import { scriptFailed } from '../start/host-start.ts'
import { lookAtTarget } from './look.ts'
import { arrangement, stagedFiles } from './plan.ts'
import type { StagedFiles, Step } from './plan.ts'
import { parseRecords } from '../talk/records.ts'

/**
 * Leaves exactly one persistence form in the staged directory: the one that the target's next start loads. Touches
 * nothing outside of it. Throws SourceError when that can't be done.
 */
export async function arrangeRedis(
  context: RestoreContext,
  config: RedisSourceConfig,
  facts: RedisFacts,
  place: StagedSource,
): Promise<void> {
  const { start } = await lookAtTarget(context, config, facts)
  const staged = await readStaged(context, place.staged)
  await runSteps(context, place.staged, arrangement(staged, facts, start))
}

/** What was unpacked. */
export async function readStaged(context: RestoreContext, directory: string): Promise<StagedFiles> {
  const result = await context.host.run(
    {
      script: 'sources/redis/restore-staged',
      patience: 'list',
      args: [directory],
      privilege: context.privilege,
      title: 'looking at the files of Redis that were unpacked',
    },
    { signal: context.signal },
  )
  const records = result.status === 0 ? parseRecords(result.stdout) : undefined
  if (records === undefined) throw scriptFailed('Looking at the files of Redis that were unpacked', result)
  return stagedFiles(records)
}

/** Runs the steps of an arrangement on the server, under a lease. */
export async function runSteps(
  context: RestoreContext,
  directory: string,
  steps: readonly Step[],
): Promise<void> {
  await using lease = await context.host.lease(
    {
      script: 'sources/redis/restore-arrange',
      patience: 'work',
      args: [directory, ...steps.flat()],
      privilege: context.privilege,
      title: 'arranging the files of Redis',
    },
    { signal: context.signal },
  )
  for (;;) {
    const line = await lease.nextLine(context.signal)
    if (line === undefined) {
      const exit = await lease.release()
      throw new RemoteError('redis-restore', 'Arranging the files of Redis was cut off on the server', {
        exitStatus: exit.status,
        stderr: exit.stderr,
        next: 'Restore again.',
      })
    }
    const [word, text = ''] = fieldsOf(line)
    if (word === 'done') return
    if (word === 'failed') {
      throw new SourceError(
        'redis-restore-arrange',
        `The files of Redis can't be arranged for its start: ${text}`,
        { next: 'Look into the reason above on the server, then restore again.' },
      )
    }
    tellProgress(context, line)
  }
}

/** Shows the records `loading BYTES ALL` and `saving` of the scripts. */
export function tellProgress({ step }: Pick<RestoreContext, 'step'>, line: string): void {
  const [word, loaded, all] = fieldsOf(line)
  if (word === 'loading')
    step(`Redis is loading: ${formatSize(Number(loaded))} of ${formatSize(Number(all))}`)
  if (word === 'saving') step('turning the AOF of Redis into an RDB')
}
