/**
 * `key rotate --yes` that is killed: `key-rotate-child.ts CONFIG N` dies right before the N-th change of something in
 * the vault, and says `done`, and after how many, when there are fewer.
 */
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { commandContext } from '../lab/command-context.ts'

const [, , config = '', count = '0'] = process.argv
let changed = 0

/** Only what can be seen in a directory counts, so that the number is the same each time. */
for (const name of ['mkdir', 'rename', 'unlink', 'rm', 'open'] as const) {
  const real = fs[name] as (...args: unknown[]) => Promise<unknown>
  const counted = (...args: unknown[]): Promise<unknown> => {
    const changes = name !== 'open' || args[1] === 'wx'
    if (changes && String(args[0]).includes('/vault/prod/')) {
      changed += 1
      if (changed === Number(count)) process.kill(process.pid, 'SIGKILL')
    }
    return real(...args)
  }
  Object.assign(fs, { [name]: counted })
}
syncBuiltinESMExports()

const { keyRotate } = await import('../../src/commands/key-rotate.ts')
const outcome = await keyRotate(commandContext(config, process.cwd(), { env: process.env }), [], {
  yes: true,
})
process.stdout.write(`done ${outcome.exitCode} after ${changed}\n`)
