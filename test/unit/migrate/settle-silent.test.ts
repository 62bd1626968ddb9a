import { expect, it } from 'vitest'
import { ConnectionError } from '../../../src/errors.ts'
import { handOverTo } from '../../../src/migrate/give-up.ts'
import type { MigrateDependencies } from '../../../src/migrate/dependencies.ts'
import type { MigrationRun } from '../../../src/migrate/migration-run.ts'
import { settleMigration, type SettleDependencies } from '../../../src/migrate/settle.ts'
import type { HostConfig } from '../../../src/model/config.ts'
import type { RemoteHost } from '../../../src/remote/contract.ts'
import { silentError } from '../../../src/remote/limits.ts'
import type { RestoreDriver } from '../../../src/restore/server/driver.ts'

const silent = () => silentError('old', undefined, 120_000)

/** A server whose journals are these. */
function server(journals: string): RemoteHost {
  const result = { status: 0, stdout: Buffer.from(journals), stderr: '' }
  return {
    name: 'old',
    run: () => Promise.resolve(result),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as unknown as RemoteHost
}

it('a server that says nothing at the hand-over is asked over a new connection, as one that was lost', async () => {
  const hold = { commit: () => Promise.reject(silent()) } as unknown as RestoreDriver
  const run = {
    plan: { id: 'ID', from: 'old', to: 'new' },
    from: { host: { name: 'old' }, chosen: {} },
    log: { step: () => {} },
  } as unknown as MigrationRun
  const giveUp = (state: string) =>
    handOverTo(() => Promise.resolve(), hold, run, {
      restore: {
        pull: {
          connect: () => Promise.resolve(server(`lock\t-\njournal\tID\t1\t${state}\n`)),
          probe: () => Promise.resolve({ access: 'shell', deployment: '/app', uid: 0, home: '/root' }),
        },
      },
    } as unknown as MigrateDependencies)
  await expect(giveUp('closed\tdone')).resolves.toBeUndefined()
  await expect(giveUp('stopped\t-')).rejects.toMatchObject({ code: 'not-held' })
})

it('settles with the one side when the other says nothing, or is lost while it is asked', async () => {
  for (const error of [silent(), new ConnectionError('lost', 'cut')]) {
    const dependencies = {
      connect: () => Promise.resolve(server('')),
      probe: () => Promise.reject(error),
    } as unknown as SettleDependencies
    const host = { name: 'old' } as HostConfig
    const sides = { id: 'ID', from: { name: 'old', config: host }, to: { name: 'new', config: host } }
    await expect(settleMigration(sides, dependencies, new AbortController().signal)).resolves.toEqual({
      outcome: 'nothing',
      notes: [],
    })
  }
})
