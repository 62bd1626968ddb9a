import { z } from 'zod'
import type { RunRecord } from './contract.ts'
import { appendLine, readValues } from './line-file.ts'

const run = z.looseObject({
  at: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  operation: z.enum(['pull', 'prune', 'restore', 'rollback', 'migrate']),
  outcome: z.enum(['done', 'partial', 'failed', 'interrupted']),
  snapshot: z.string().optional(),
  bytes: z.number().optional(),
  wireBytes: z.number().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  failedSources: z.array(z.string()).optional(),
})

/**
 * The history, oldest first. A line that is damaged, or of a later version, is left out. `check` names damaged lines.
 */
export async function readRuns(file: string): Promise<RunRecord[]> {
  return (await readValues(file)).flatMap((value) => {
    const result = run.safeParse(value)
    return result.success ? [result.data as unknown as RunRecord] : []
  })
}

/** Appends one line. Needs no lock, so that a run that found the host locked can be recorded too. */
export async function appendRun(file: string, record: RunRecord): Promise<void> {
  await appendLine(file, record)
}
