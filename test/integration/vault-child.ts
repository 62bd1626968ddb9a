/**
 * A process for the vault tests to kill or to race: `vault-child.ts churn DIR` makes and removes snapshots for
 * ever; `vault-child.ts lock DIR` tries for the lock once and holds it until its stdin ends. Speaks lines.
 */
import { writeSync } from 'node:fs'
import { LockedError } from '../../src/errors.ts'
import { snapshotTime } from '../../src/model/names.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { makeSnapshot } from '../unit/vault/fixtures.ts'

const [, , mode, path] = process.argv
if (path === undefined) throw new Error('usage: vault-child.ts churn|lock DIR')
// Synchronous, so that what was said is said when the kill comes.
const say = (line: string) => writeSync(1, `${line}\n`)
const vault = await openVault(path, { command: `child ${mode}` })

if (mode === 'lock') {
  try {
    await using _lock = await vault.lock('prod')
    say('held')
    for await (const _chunk of process.stdin);
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    say(`refused ${error.message}`)
  }
} else {
  const made = (await vault.ledger('prod')).flatMap((record) =>
    record.event === 'made' ? [record.snapshot] : [],
  )
  const newest = made.map((id) => snapshotTime(id).getTime()).at(-1) ?? Date.parse('2025-01-01T00:00:00Z')
  say('ready')
  for (let round = 1; ; round += 1) {
    await using lock = await vault.lock('prod')
    // Two minutes apart, so that a snapshot a crash left unrecorded never takes the same second.
    const at = new Date(newest + round * 120_000)
    const snapshot = await makeSnapshot(vault, lock, at, { sources: ['data', 'logs'] })
    say(`made ${snapshot.id}`)
    const [oldest, ...rest] = await vault.snapshots('prod', { retired: true })
    const last = rest.at(-1)
    if (last !== undefined && round % 3 === 0) {
      await vault.removeArchives(lock, last, ['logs.tar.zst.gpg'], 'churn', at)
    }
    if (oldest !== undefined && rest.length > 3) {
      say(`removing ${oldest.id}`)
      await vault.remove(lock, oldest, 'churn', at)
    }
  }
}
