import { readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLease } from '../../src/remote/lease.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

const signal = new AbortController().signal

it('a lease whose client beat only once undid itself in the middle of the work', async () => {
  await using host = new LocalHost()
  await using kept = await tempDir()
  await using lost = await tempDir()
  const start = async (path: string, beatEvery: number) => {
    // One second of silence is enough for the script to undo.
    const process = await host.spawn({ script: 'remote/lock', args: ['1', path] }, { signal })
    const lease = openLease(process, ['me'], { beatEvery })
    expect(await lease.nextLine(signal)).toMatch(/^locked\t/)
    return { process, lease }
  }
  const beats = await start(kept.path, 100)
  const silent = await start(lost.path, 1_000_000)
  // The one that is not kept up tells that the limit has passed.
  expect((await silent.process.exit).status).toBe(91)
  expect(await readlink(join(kept.path, '.relay-backup', 'lock'))).toMatch(/^\d+\./)
  expect((await beats.lease.release()).status).toBe(0)
  await expect(readlink(join(kept.path, '.relay-backup', 'lock'))).rejects.toMatchObject({ code: 'ENOENT' })
})
