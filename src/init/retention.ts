import { parseDocument } from 'yaml'
import { UsageError } from '../errors.ts'

/** Policies that are offered by a word. */
export const RETENTIONS = {
  usual: { last: 7, daily: 7, weekly: 4, within: '7d' },
  long: { last: 7, daily: 14, weekly: 8, monthly: 12, within: '7d' },
  short: { last: 7 },
} as const satisfies Record<string, Readonly<Record<string, unknown>>>

/** `daily: 14, weekly: 8`, as `retention` of the config; what it may say is the config's to judge. Throws UsageError. */
export function parseRetention(text: string): Readonly<Record<string, unknown>> {
  const document = parseDocument(`{ ${text} }`)
  const value: unknown = document.errors.length === 0 ? document.toJS() : undefined
  const isRules =
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).length > 0 &&
    Object.values(value).every((one) => typeof one === 'number' || typeof one === 'string')
  if (!isRules)
    throw new UsageError(`--retention ${text}: not understood`, {
      next: 'Write it like --retention "daily: 14, weekly: 8"',
    })
  return value as Readonly<Record<string, unknown>>
}
