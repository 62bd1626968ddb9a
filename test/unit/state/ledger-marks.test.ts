import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { openLedgerMarks } from '../../../src/state/ledger-marks.ts'

test('a file among the marks that is none of ours is no host', async () => {
  const state = await mkdtemp(join(tmpdir(), 'relay-marks-'))
  try {
    const marks = openLedgerMarks({ XDG_STATE_HOME: state })
    const vault = { vault: 'id', path: '/backups' }
    const mark = { lines: 1, hash: 'ab' }
    await marks.remember({ ...vault, host: 'root@10.0.0.1:22' }, mark)
    const [file = ''] = (await readdir(state, { recursive: true })).filter((name) => name.endsWith('.json'))
    for (const name of ['%zz.json', 'a b.json', 'prod.json.tmp'])
      await writeFile(join(state, dirname(file), name), '{}')
    expect(await marks.hosts(vault)).toEqual(['root@10.0.0.1:22'])
    expect(await marks.recall({ ...vault, host: 'root@10.0.0.1:22' })).toEqual(mark)
  } finally {
    await rm(state, { recursive: true })
  }
})
