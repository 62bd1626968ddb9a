import type { Contender, Run } from '../contract.ts'
import type { Route } from '../lab.ts'

/**
 * Measures the programs one after another, round by round, so that what the machine does meanwhile hits all of
 * them: a first backup, one of the same data, and a restore where it is compared.
 */
export async function compareBackups(
  { lab, rounds, record, say }: Run,
  contenders: readonly Contender[],
  route?: Route,
): Promise<void> {
  for (let round = 1; round <= rounds; round += 1) {
    for (const contender of contenders) {
      say(`round ${round} of ${rounds}: ${contender.name}`)
      await contender.reset()
      record('first', contender.name, await lab.measure(contender.backup(), route))
      record('unchanged', contender.name, await lab.measure(contender.backup(), route))
      const restore = await contender.restore?.()
      if (restore !== undefined) record('restore', contender.name, await lab.measure(restore, route))
    }
  }
}
