import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RemoteHost } from '../../../../src/remote/contract.ts'
import { busyboxTools } from '../../../lab/busybox.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

/** This machine, where something happens after the paths were looked at and before the first is read. */
function beforeReading(host: RemoteHost, happens: () => Promise<void>): RemoteHost {
  let done = false
  return {
    ...host,
    run: host.run.bind(host),
    spawn: async (command, options) => {
      if (!done) await happens()
      done = true
      return host.spawn(command, options)
    },
  }
}

describe.each([{ tar: 'gnu' as const }, { tar: 'busybox' as const }])('with $tar tar', ({ tar }) => {
  test.each([
    ['the only path', ['logs'], 'logs'],
    ['the first path', ['logs', 'second'], 'logs'],
    ['the last path', ['logs', 'second'], 'second'],
    ['a path that is one file', ['logs', 'file'], 'file'],
    ['the only path, one file', ['file'], 'file'],
  ])(
    '%s, gone before it is read, fails the source: nothing is no backup of it',
    async (_what, paths, gone) => {
      await using temp = await tempDir()
      const deployment = join(temp.path, 'app')
      for (const name of ['logs', 'second']) {
        await mkdir(join(deployment, name), { recursive: true })
        await writeFile(join(deployment, name, 'x'), 'x')
      }
      await writeFile(join(deployment, 'file'), 'x')
      const path = tar === 'busybox' ? await busyboxTools(join(temp.path, 'tools')) : process.env['PATH']
      const host = beforeReading(shellHost({ shell: ['/bin/dash'], path: path ?? '' }), () =>
        rename(join(deployment, gone), join(deployment, 'moved')),
      )
      const context = { host, probe: probeOf(deployment, { tar, versions: {} }) }
      await expect(drain(context, filesConfig(paths), temp.path)).rejects.toMatchObject({
        code: 'source-vanished',
        message: `${gone} vanished while it was read`,
      })
    },
  )
})
