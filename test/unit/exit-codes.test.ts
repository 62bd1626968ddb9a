import { expect, test } from 'vitest'
import { pullExitCode } from '../../src/commands/pull.ts'
import {
  ConfigError,
  DamageError,
  InterruptedError,
  LockedError,
  RelayError,
  UsageError,
  VaultError,
} from '../../src/errors.ts'
import { exitCodeOf } from '../../src/exit-codes.ts'
import type { HostPullReport } from '../../src/model/pull-report.ts'

test.each([
  [new InterruptedError(), 130],
  [new UsageError('x'), 2],
  [new ConfigError([]), 2],
  [new LockedError('x'), 5],
  [new RelayError('x', 'x'), 1],
  [new VaultError('x', 'x'), 1],
  [new DamageError('x', 'x'), 1],
  [new Error('x'), 1],
])('%s ends with %i', (error, code) => expect(exitCodeOf(error)).toBe(code))

type Outcome = HostPullReport['outcome']

test.each<[Outcome[], number]>([
  [['done'], 0],
  [['skipped'], 0],
  [['done', 'skipped'], 0],
  [['partial'], 3],
  [['failed'], 1],
  [['failed', 'failed'], 1],
  [['done', 'failed'], 3],
  [['done', 'locked'], 3],
  [['locked'], 5],
  [['locked', 'locked'], 5],
  [['locked', 'failed'], 1],
  [['done', 'interrupted'], 130],
])('a pull of hosts that are %j ends with %i', (outcomes, code) =>
  expect(pullExitCode(outcomes.map((outcome) => ({ outcome })))).toBe(code),
)
