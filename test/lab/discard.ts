import { expect } from 'vitest'
import type { CliResult } from './cli.ts'

/**
 * Removes what restores of `prod` have set aside, also what was written to it since: that takes each restore's id, as
 * the program says.
 */
export async function discardAll(cli: (...args: string[]) => Promise<CliResult>): Promise<void> {
  const discard = ['rollback', '--host', 'prod', '--discard', '--yes']
  const first = await cli(...discard)
  const output = first.stdout + first.stderr
  const spared = [...output.matchAll(/--discard --restore (\w+)/g)].map(([, id = '']) => id)
  // In part, where there was something else to remove, too.
  expect(spared.length === 0 ? [0] : [1, 3], output).toContain(first.code)
  for (const id of spared) {
    const named = await cli(...discard, '--restore', id)
    expect(named.code, named.stdout + named.stderr).toBe(0)
  }
}
