import { expect, test } from 'vitest'
import { bounded, failed } from '../../../src/check/bounded.ts'
import { ConnectionError, InterruptedError, SEE_CHECK, SourceError } from '../../../src/errors.ts'
import type { Checked } from '../../../src/model/check-report.ts'

const about = { check: 'source', host: 'prod', source: 'logs' } as const
const signal = new AbortController().signal

test('what never answers fails its check when the time is over, and is told to stop', async () => {
  let stopped = false
  const found = await bounded<Checked>(about, { limit: 5, signal }, (each) => {
    each.addEventListener('abort', () => (stopped = true))
    return new Promise(() => {})
  })
  expect(found).toEqual([
    {
      ...about,
      outcome: 'failed',
      message: expect.stringMatching(/^no answer within/),
      next: expect.any(String),
    },
  ])
  expect(stopped).toBe(true)
})

test('an error is what the check found, with its next step; a defect is told, too', async () => {
  const error = new SourceError('unreadable', 'logs can not be read', { next: 'chmod it' })
  const bound = { limit: 1000, signal }
  expect(await bounded<Checked>(about, bound, () => Promise.reject(error))).toEqual([
    { ...about, outcome: 'failed', message: 'logs can not be read', next: 'chmod it' },
  ])
  const [defect] = await bounded<Checked>(about, bound, () => Promise.reject(new TypeError('x is not y')))
  expect(defect).toMatchObject({ outcome: 'failed', message: 'TypeError: x is not y' })
})

test('an interrupt ends it at once', async () => {
  const controller = new AbortController()
  const waiting = bounded<Checked>(
    about,
    { limit: 1000, signal: controller.signal },
    () => new Promise(() => {}),
  )
  controller.abort(new InterruptedError())
  await expect(waiting).rejects.toThrow(InterruptedError)
})

test('what a check finds does not advise to check', () => {
  const error = new ConnectionError('refused', 'Nothing listens', { next: `Check the port.${SEE_CHECK}` })
  expect(SEE_CHECK).toContain('relay-backup check')
  expect(failed(error)).toEqual({ outcome: 'failed', message: 'Nothing listens', next: 'Check the port.' })
})
