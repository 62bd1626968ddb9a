import { z } from 'zod'
import { CAPTURE_TYPES } from '../model/config.ts'
import { OPERATIONS, RUN_OUTCOMES, type EndedRun, type RunRecord } from '../model/run-record.ts'
import { appendLine, readValues } from './line-file.ts'

const FORMAT = 2

/** What a pull was asked for, as the history and a begin have it. */
export const part = z.looseObject({
  sources: z.array(z.string()).optional(),
  type: z.enum(CAPTURE_TYPES).optional(),
})

const common = {
  at: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  operation: z.enum(OPERATIONS),
  outcome: z.enum(RUN_OUTCOMES),
  snapshot: z.string().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
}

/** Written before there was a number: the sum of a pull's bytes, and the names of what failed. */
const format1 = z.looseObject({
  ...common,
  format: z.undefined().optional(),
  failedSources: z.array(z.string()).optional(),
})

const count = z.number().nonnegative()
const format2 = z.looseObject({
  ...common,
  format: z.literal(FORMAT),
  run: z.string(),
  host: z.string(),
  by: z.looseObject({ user: z.string(), machine: z.string(), pid: count }),
  trigger: z.union([z.literal('manual'), z.literal('daemon'), z.templateLiteral(['schedule:', z.string()])]),
  schedule: z.string().optional(),
  only: part.optional(),
  restores: z.string().optional(),
  complete: z.boolean().optional(),
  sources: z
    .array(
      z.looseObject({
        name: z.string(),
        outcome: z.enum(['done', 'partial', 'torn', 'failed']),
        bytes: count,
        wireBytes: count.optional(),
        entries: count,
        seconds: count.optional(),
        code: z.string().optional(),
      }),
    )
    .optional(),
  warnings: z.array(z.looseObject({ code: z.string(), count })).optional(),
  rotation: z.looseObject({ kept: count, removed: count }).optional(),
  findings: z
    .array(z.looseObject({ check: z.string(), outcome: z.enum(['warning', 'failed']), message: z.string() }))
    .optional(),
  undoes: z.string().optional(),
  beside: z.boolean().optional(),
  downtime: z.looseObject({ seconds: count, bytes: count, from: z.string(), to: z.string() }).optional(),
})

/**
 * The history, oldest first. A line that is damaged, or of a later version, is left out. `verify` names damaged lines.
 */
export async function readRuns(file: string): Promise<RunRecord[]> {
  return (await readValues(file)).flatMap((value) => readRun(value) ?? [])
}

function readRun(value: unknown): RunRecord | undefined {
  const read = format2.safeParse(value)
  if (read.success) return read.data
  const old = format1.safeParse(value)
  if (!old.success) return undefined
  const { failedSources, ...record } = old.data
  const sources = failedSources?.map((name) => ({ name, outcome: 'failed' as const, bytes: 0, entries: 0 }))
  return sources === undefined ? record : { ...record, sources }
}

/** Appends one line. Needs no lock. */
export async function appendRun(file: string, record: EndedRun): Promise<void> {
  await appendLine(file, { format: FORMAT, ...record })
}
