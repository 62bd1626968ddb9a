import fc from 'fast-check'
import { SourceError } from '../../../src/errors.ts'
import type { ProgressEvent } from '../../../src/report/contract.ts'

export const failure = new SourceError('redis-auth', 'Redis refuses the password', { next: 'Correct it' })

const logs = { host: 'prod', source: 'logs' } as const

export function progress(plainBytes: number, expectedPlainBytes?: number): ProgressEvent {
  return { type: 'archive-progress', ...logs, archive: 'logs', wireBytes: 1, plainBytes, expectedPlainBytes }
}

/** A run of one host: one source is captured with a warning, the other fails. */
export const RUN: readonly ProgressEvent[] = [
  { type: 'host-started', host: 'prod' },
  { type: 'host-step', host: 'prod', step: 'connecting' },
  { type: 'source-started', ...logs },
  { type: 'source-step', ...logs, step: 'listing' },
  progress(1_048_576, 4_194_304),
  { type: 'warning', ...logs, code: 'file-changed', message: 'a\x1b[31m.log changed', next: 'Nothing to do' },
  {
    type: 'archive-finished',
    ...logs,
    archive: 'logs',
    bytes: 1000,
    plainBytes: 4_194_304,
    wireBytes: 900,
    milliseconds: 1200,
  },
  { type: 'source-finished', ...logs, entries: 1200 },
  { type: 'source-failed', host: 'prod', source: 'redis_data', error: failure },
  { type: 'note', code: 'export-key', message: 'export your key' },
  { type: 'host-finished', host: 'prod', message: 'prod/20251120T020000Z' },
]

const host = fc.constantFrom('a', 'b@[::1]', 'c%s')
const source = fc.constantFrom('x', 'y')
const text = fc.string()
const size = fc.nat()
const kind = <T extends string>(type: T) => fc.constant(type)

/** Any event, sensible or not. */
export const anyEvent: fc.Arbitrary<ProgressEvent> = fc.oneof(
  fc.record({ type: kind('host-started'), host }),
  fc.record({ type: kind('host-step'), host, step: text }),
  fc.record({ type: kind('host-finished'), host, message: text }),
  fc.record({ type: kind('host-failed'), host, error: fc.constant(failure) }),
  fc.record({ type: kind('source-started'), host, source }),
  fc.record({ type: kind('source-step'), host, source, step: text }),
  fc.record({ type: kind('source-finished'), host, source, entries: size }),
  fc.record({ type: kind('source-failed'), host, source, error: fc.constant(failure) }),
  fc.record({
    type: kind('archive-progress'),
    host,
    source,
    archive: text,
    wireBytes: size,
    plainBytes: size,
    expectedPlainBytes: fc.option(size, { nil: undefined }),
  }),
  fc.record({
    type: kind('archive-finished'),
    host,
    source,
    archive: text,
    bytes: size,
    plainBytes: size,
    wireBytes: size,
    milliseconds: size,
  }),
  fc.record({ type: kind('warning'), code: text, message: text }),
  fc.record({ type: kind('note'), code: text, message: text }),
)
