import { expect, test } from 'vitest'
import { whyRatherFull } from '../../../src/pull/incremental/mode.ts'

const MiB = 1024 * 1024
const plan = { sentBytes: 0, listedBytes: 100 * MiB, replacedDirectories: 0 }

test.each([
  ['nothing changed', {}],
  ['a little changed', { sentBytes: 60 * MiB }],
  ['all of what is small anyway changed', { sentBytes: MiB, listedBytes: MiB }],
  ['there is nothing', { listedBytes: 0 }],
])('%s: an incremental', (_what, changes) => {
  expect(whyRatherFull({ ...plan, ...changes })).toBeUndefined()
})

test.each([
  ['a directory took the place of something else', { replacedDirectories: 1 }],
  ['most of it changed', { sentBytes: 60 * MiB + 1 }],
  ['most of it changed', { sentBytes: MiB + 1, listedBytes: MiB + 1 }],
])('%s: a full', (why, changes) => {
  expect(whyRatherFull({ ...plan, ...changes })).toContain(why)
})
