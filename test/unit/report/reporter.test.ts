import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createReporter } from '../../../src/report/reporter.ts'
import type { ReporterOptions } from '../../../src/report/reporter.ts'
import { anyEvent, progress, RUN } from './events.ts'
import { fakeStream } from './fake-stream.ts'
import type { FakeStream } from './fake-stream.ts'

async function report(
  mode: ReporterOptions['mode'],
  more: Partial<ReporterOptions> = {},
  events = RUN,
): Promise<FakeStream> {
  const stream = fakeStream({ tty: mode === 'tty' })
  await using reporter = createReporter({ mode, stream, verbose: false, color: false, ...more })
  for (const event of events) reporter.event(event)
  return stream
}

describe('plain lines', () => {
  test('one an event, and nothing that drives a terminal', async () => {
    const { text } = await report('plain')
    expect(text).toBe(`prod: started
prod: connecting
prod/logs: started
warning: prod/logs: a\\x1b[31m.log changed
  Next: Nothing to do
prod/logs: done, 1,200 entries
prod/redis_data: failed: Redis refuses the password
note: export your key
prod: prod/20251120T020000Z
`)
  })

  test('--verbose adds the steps and archives of sources', async () => {
    const { text } = await report('plain', { verbose: true })
    expect(text).toContain('prod/logs: listing\n')
    expect(text).toContain('prod/logs: logs: 4.0 MiB, 1000 B encrypted, 1s\n')
  })

  test('an archive tells how far it is at most every 10 s', async () => {
    let time = 0
    const stream = fakeStream({ tty: false })
    await using reporter = createReporter({
      mode: 'plain',
      stream,
      verbose: false,
      color: false,
      now: () => time,
    })
    for (; time <= 25_000; time += 100) reporter.event(progress(time * 1024, 40_000 * 1024))
    expect(stream.text).toBe(
      'prod/logs: logs: 9.8 MiB of 39.1 MiB, 1000 KiB/s, 30s left\n' +
        'prod/logs: logs: 19.5 MiB of 39.1 MiB, 1000 KiB/s, 20s left\n',
    )
  })

  test('colours only when asked', async () => {
    expect((await report('plain', { color: true })).text).toContain('\x1b[33mwarning:\x1b[0m')
  })
})

test('--quiet shows warnings and failures only, a line each', async () => {
  expect((await report('quiet')).text).toBe(`warning: prod/logs: a\\x1b[31m.log changed. Next: Nothing to do
failed: prod/redis_data: Redis refuses the password. Next: Correct it
`)
})

test('--json gives one object a line, errors as data', async () => {
  const { text } = await report('json')
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string })
  expect(events.map((event) => event.type)).toEqual(RUN.map((event) => event.type))
  expect(events.find((event) => event.type === 'source-failed')).toEqual({
    type: 'source-failed',
    host: 'prod',
    source: 'redis_data',
    error: { code: 'redis-auth', message: 'Redis refuses the password', next: 'Correct it' },
  })
  expect(text).not.toContain('\x1b')
})

describe('at a terminal', () => {
  test('the list ends with every source’s outcome, and warnings stand below it once', async () => {
    const { screen } = await report('tty')
    expect(screen.split('\n').map((line) => line.replace(/^( *)[^\w ] /, '$1* '))).toEqual([
      '* prod  prod/20251120T020000Z',
      '  * logs  1,200 entries, 4.0 MiB',
      '  * redis_data  failed: Redis refuses the password',
      'warning: prod/logs: a\\x1b[31m.log changed',
      '  Next: Nothing to do',
      'note: export your key',
      '',
    ])
  })

  test('what goes on is redrawn in place', async () => {
    const stream = fakeStream({ tty: true })
    await using reporter = createReporter({ mode: 'tty', stream, verbose: false, color: false })
    reporter.event({ type: 'source-started', host: 'b', source: 'x' })
    reporter.event(progress(1_048_576, 4_194_304))
    await expect.poll(() => stream.screen).toMatch(/ logs {2}1\.0 MiB of 4\.0 MiB/)
    reporter.event({ type: 'host-step', host: 'b', step: 'looking around' })
    await expect.poll(() => stream.screen).toContain('b  looking around')
    expect(stream.screen.match(/ logs /g)).toHaveLength(1)
  })

  test('lines of others come out below, whole', async () => {
    const stream = fakeStream({ tty: true })
    {
      await using reporter = createReporter({ mode: 'tty', stream, verbose: false, color: false })
      reporter.event({ type: 'host-started', host: 'a' })
      await expect.poll(() => stream.screen).toContain(' a')
      stream.write('(node) a warning of somebody else\n')
      reporter.event({ type: 'host-finished', host: 'a', message: 'done' })
    }
    expect(stream.screen).toMatch(/^\S a {2}done\n\n\(node\) a warning of somebody else\n/)
  })

  test('what never ended is shown as stopped', async () => {
    const { screen } = await report('tty', {}, [{ type: 'source-started', host: 'a', source: 'x' }])
    expect(screen).toMatch(/ a {2}\(stopped\)\n.* x {2}\(stopped\)/)
  })

  test('the cursor comes back at the end, and when the process exits before it', async () => {
    const listeners = process.listeners('exit')
    const stream = fakeStream({ tty: true })
    const shown = () => stream.text.lastIndexOf('\x1b[?25h') > stream.text.lastIndexOf('\x1b[?25l')
    const reporter = createReporter({ mode: 'tty', stream, verbose: false, color: false })
    await expect.poll(() => stream.text).toContain('\x1b[?25l')
    expect(shown()).toBe(false)
    const added = process.listeners('exit').filter((listener) => !listeners.includes(listener))
    for (const listener of added) listener.call(process, 0)
    expect(shown()).toBe(true)
    await reporter[Symbol.asyncDispose]()
    expect(shown()).toBe(true)
  })

  test('without colour none is written', async () => {
    expect((await report('tty')).text).not.toMatch(/\x1b\[[\d;]+m/)
  })
})

test.each(['tty', 'plain', 'json', 'quiet'] as const)(
  '%s copes with any events in any order',
  async (mode) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { maxLength: 30 }), async (events) => {
        const stream = await report(mode, { verbose: true }, events)
        if (mode !== 'tty') expect(stream.text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/)
      }),
      { numRuns: mode === 'tty' ? 20 : 100 },
    )
  },
)

test('a reader of stderr that went away does not end the run', async () => {
  const stream = fakeStream({ tty: false })
  const failures: unknown[] = []
  const note = (error: unknown) => failures.push(error)
  process.on('uncaughtException', note)
  await using _noted = { [Symbol.asyncDispose]: async () => void process.off('uncaughtException', note) }
  await using reporter = createReporter({ mode: 'plain', stream, verbose: false, color: false })
  stream.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  await new Promise((resolve) => setImmediate(resolve))
  reporter.event({ type: 'host-started', host: 'a' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(failures).toEqual([])
  expect(stream.text).toBe('')
})
