import { expect, it } from 'vitest'
import { RelayError } from '../../../src/errors.ts'
import type { MigrateDependencies } from '../../../src/migrate/dependencies.ts'
import { handOverTo } from '../../../src/migrate/give-up.ts'
import type { MigrationRun } from '../../../src/migrate/migration-run.ts'
import type { RestoreDriver } from '../../../src/restore/server/driver.ts'

/** What was asked of the two servers, in order. */
function sides(answers: { readonly keep: Promise<void>; readonly ok: boolean }) {
  const asked: string[] = []
  const hold = {
    commit: () => {
      asked.push('commit')
      return Promise.resolve(answers.ok ? { ok: true, notes: [] } : { ok: false, reason: 'full', notes: [] })
    },
  } as unknown as RestoreDriver
  const migration = {
    plan: { from: 'old', to: 'new' },
    from: { host: { name: 'old' } },
    log: { step: (_host: string, text: string) => asked.push(text) },
  } as unknown as MigrationRun
  const keep = (): Promise<void> => {
    asked.push('keep')
    return answers.keep
  }
  const run = () => handOverTo(keep, hold, migration, { restore: { pull: {} } } as MigrateDependencies)
  return { asked, run }
}

it('both sides are told before anything is waited for: a client that was killed in between had told one', async () => {
  const { asked, run } = sides({ keep: new Promise(() => {}), ok: true })
  void run()
  expect(asked).toEqual(['keep', 'commit', 'giving up the other side'])
  await Promise.resolve()
})

it('fails when the new server can not be kept, so that the old one starts although it was given up', async () => {
  const full = new RelayError('restore-step', 'keeping failed: no space left')
  await expect(sides({ keep: Promise.reject(full), ok: true }).run()).rejects.toBe(full)
})

it('fails when the old one can not be given up', async () => {
  await expect(sides({ keep: Promise.resolve(), ok: false }).run()).rejects.toMatchObject({
    code: 'not-held',
  })
})
