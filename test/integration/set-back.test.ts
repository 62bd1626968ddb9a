import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { IncrementalLab } from './incremental-lab.ts'

test('a pull says that the last snapshot and its line are gone, and rotation waits', async () => {
  await using lab = await IncrementalLab.start()
  lab.retention = { last: 1, safety: 1 }
  await writeFile(join(lab.app, 'data/file'), 'x')
  await lab.pulled()
  const { id } = await lab.pulled({ rotate: false })
  const ledger = join(lab.path, 'vault/prod/ledger.jsonl')
  const lines = (await readFile(ledger, 'utf8')).split('\n')
  await writeFile(ledger, `${lines[0]}\n`)
  await rm(join(lab.path, 'vault/prod', id), { recursive: true })

  const report = await lab.pull()
  expect(lab.events).toContainEqual(
    expect.objectContaining({
      type: 'warning',
      code: 'set-back',
      message: expect.stringContaining(id) as string,
    }),
  )
  expect(report).toMatchObject({ outcome: 'done', rotation: { removed: [] } })
  expect(report.rotation?.paused).toContain('set back')
  expect(await lab.all()).toHaveLength(2)
})
