import type { EndedRun } from '../../src/model/run-record.ts'

/** A pull of `prod` that was done at this time, as the history has it. */
export function endedRun(at: Date, rest: Partial<EndedRun> = {}): EndedRun {
  return {
    run: `${at.getTime()}-test`,
    at: at.toISOString(),
    finishedAt: at.toISOString(),
    operation: 'pull',
    host: 'prod',
    by: { user: 'nobody', machine: 'lab', pid: 1 },
    trigger: 'manual',
    outcome: 'done',
    ...rest,
  }
}
