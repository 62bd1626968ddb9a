import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { IncrementalLab } from './incremental-lab.ts'

test('after a pull with a clock a year ahead the next is full, and incrementals build on that', async () => {
  await using lab = await IncrementalLab.start()
  await writeFile(join(lab.app, 'data/big.bin'), Buffer.alloc(100_000, 'x'))
  const pull = async () => {
    const { id, manifest } = await lab.pulled()
    const { mode, parents } = manifest.sources[0] ?? {}
    return { id, mode, parents }
  }
  const first = await pull()
  lab.passDays(365)
  expect(await pull()).toMatchObject({ mode: 'incremental', parents: [first.id] })
  lab.passDays(-365)
  const full = await pull()
  expect(full).toMatchObject({ mode: 'full', parents: [] })
  expect(await pull()).toMatchObject({ mode: 'incremental', parents: [full.id] })
  lab.fullEvery = 2
  expect(await pull()).toMatchObject({ mode: 'incremental' })
  expect(await pull()).toMatchObject({ mode: 'full' })
})
