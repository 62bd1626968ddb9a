import { expect, test } from 'vitest'
import type { RedisFacts } from '../../../../src/sources/redis/facts.ts'
import { chooseForm } from '../../../../src/sources/redis/restore/plan.ts'

const facts = (form: RedisFacts['form'], stopped: boolean, loads: RedisFacts['loads']): RedisFacts => ({
  kind: 'redis',
  form,
  loads,
  stopped,
  pointInTime: true,
  settings: {},
})

test.each([
  // Of a server that ran both forms are good: the next start decides.
  ['both', false, 'rdb', true, 'aof'],
  ['both', false, 'aof', false, 'rdb'],
  // Of one that was down one of them may be stale: what it would have loaded decides, whatever starts next.
  ['both', true, 'aof', false, 'aof'],
  ['both', true, 'aof', true, 'aof'],
  ['both', true, 'rdb', true, 'rdb'],
  ['both', true, 'nothing', true, 'nothing'],
  // There is only one to choose.
  ['rdb', false, 'rdb', true, 'rdb'],
  ['aof', true, 'aof', false, 'aof'],
  ['rdb', true, 'nothing', false, 'nothing'],
] as const)(
  'of %s of a server that was stopped %s and loads %s, a start with appendonly %s is given %s',
  (form, stopped, loads, appendonly, chosen) => {
    expect(chooseForm(facts(form, stopped, loads), appendonly)).toBe(chosen)
  },
)
