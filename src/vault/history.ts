import { open, readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { RunRecord } from './contract.ts'
import { onDisk } from './disk-error.ts'
import { FILE_MODE, ifPresent } from './durable.ts'

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

/** The history, oldest first. A line that a crash cut off is left out: the history is no record to rely on. */
export async function readRuns(file: string): Promise<RunRecord[]> {
  const text = await onDisk(file, async () => (await ifPresent(readFile(file, 'utf8'))) ?? '')
  return text.split('\n').flatMap((line) => {
    try {
      const result = run.safeParse(JSON.parse(line))
      return result.success ? [result.data as RunRecord] : []
    } catch {
      return []
    }
  })
}

/** Appends one line. Needs no lock, so that a run that found the host locked can be recorded too. */
export async function appendRun(file: string, record: RunRecord): Promise<void> {
  await onDisk(file, async () => {
    await using handle = await open(file, 'a+', FILE_MODE)
    await handle.chmod(FILE_MODE)
    const { size } = await handle.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    const torn = size > 0 && last[0] !== 0x0a
    // One write: appends of two processes never mix.
    await handle.write(`${torn ? '\n' : ''}${JSON.stringify(record)}\n`)
    await handle.sync()
  })
}
