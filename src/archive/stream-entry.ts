import { z } from 'zod'
import type { StreamEntry, StreamIndexHeader } from './contract.ts'

const count = z.number().int().nonnegative()

const header = z.strictObject({
  format: z.literal(1),
  of: z.literal('stream'),
  source: z.string(),
  snapshot: z.string(),
})

const entry = z.strictObject({
  archive: z.string(),
  name: z.string(),
  type: z.string(),
  rows: count.optional(),
  bytes: count.optional(),
  definition: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
})

/** Checks a parsed first line; undefined when it is none of a `stream` source's index. */
export function parseStreamHeader(json: unknown): StreamIndexHeader | undefined {
  return header.safeParse(json).data
}

/** Checks a parsed line strictly, unknown keys included; undefined when it is no entry. */
export function parseStreamEntry(json: unknown): StreamEntry | undefined {
  return entry.safeParse(json).data
}
