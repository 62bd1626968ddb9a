import { expect, test } from 'vitest'
import { keptNotice } from '../../../../src/sources/redis/capture/pin-aof.ts'

test('a setting that was not put back is told with what it was', () => {
  expect(keptNotice('Redis', '30', 'no answer')).toMatchObject({
    message: 'Redis may still have auto-aof-rewrite-percentage 0: no answer',
    next: expect.stringContaining('CONFIG SET auto-aof-rewrite-percentage 30.') as string,
  })
})

test('nothing is told of one that was put back, or never changed', () => {
  expect(keptNotice('Redis', '30', undefined)).toBeUndefined()
  expect(keptNotice('Redis', '', 'the script on the server was cut off')).toBeUndefined()
})
