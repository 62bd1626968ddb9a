import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSizes } from '../../src/usage/read-sizes.ts'
import type { Visit } from '../../src/runs/visit.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'

test.each(['dash', 'busybox'])('what lies on the server, in one question, under %s', async (shell) => {
  await using temp = await tempDir()
  await chmod(temp.path, 0o755)
  const app = join(temp.path, 'app')
  const big = "a 'big'/deep\n"
  await mkdir(join(app, 'data', big), { recursive: true })
  await mkdir(join(app, 'data/small'))
  await mkdir(join(app, 'data/closed'))
  await mkdir(join(app, '-odd'))
  await writeFile(join(app, 'data', big, 'file'), Buffer.alloc(400_000))
  await writeFile(join(app, 'data/small/file'), Buffer.alloc(100_000))
  await writeFile(join(app, 'file'), Buffer.alloc(50_000))
  await writeFile(join(app, '-odd/file'), Buffer.alloc(50_000))
  await symlink('data', join(app, 'link'))
  await chmod(join(app, 'data/closed'), 0o000)
  const path = shell === 'busybox' ? await busyboxTools(join(temp.path, 'tools')) : undefined
  const remote = new LocalHost({
    uid: 65_534,
    gid: 65_534,
    ...(path === undefined ? {} : { shell: ['busybox', 'sh'], path }),
  })
  const place = { host: { name: 'prod' }, remote, deployment: app, privilege: undefined }
  const { disk, paths } = await readSizes(
    { ...place, signal: AbortSignal.timeout(60_000) } as unknown as Visit,
    ['data', 'file', 'gone', '-odd', 'link', join(app, 'data/small')],
  )
  expect(disk?.used).toBeGreaterThan(0)
  const [data, file, gone, odd, link, absolute] = paths
  expect([data?.atLeast, data && data.bytes > 500_000 && data.bytes < 600_000]).toEqual([true, true])
  expect(data?.directories[0]?.path).toMatch(/^a 'big'/)
  expect(data?.directories[1]).toMatchObject({ path: 'small' })
  expect([file?.atLeast, file && file.bytes >= 50_000 && file.bytes < 60_000]).toEqual([false, true])
  expect([gone, odd && odd.bytes > 50_000]).toEqual([undefined, true])
  expect([link?.bytes, absolute?.bytes]).toEqual([data?.bytes, data?.directories[1]?.bytes])
})
