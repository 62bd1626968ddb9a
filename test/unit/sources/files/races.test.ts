import { appendFile, link, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { RemoteHost } from '../../../../src/remote/contract.ts'
import type { CaptureArchive } from '../../../../src/sources/contract.ts'
import { busyboxTools } from '../../../lab/busybox.ts'
import { readTree } from '../../../lab/hostile-tree.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig, unpack } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

/** More than every pipe and buffer between tar and us holds: tar is still inside the first file then. */
const BIG = 24 * 1024 * 1024

/** Runs `change` when the first bytes of a part's big file have come; nobody reads on before it is done. */
function during(part: string, change: () => Promise<void>) {
  return async (archive: CaptureArchive): Promise<void> => {
    if (archive.part !== part) return
    const { stream } = archive.input
    // Fills the stream's buffer. What stands before the big file takes a few headers.
    stream.once('readable', () => {})
    await vi.waitFor(() => expect(stream.readableLength).toBeGreaterThan(4096), {
      timeout: 20_000,
      interval: 5,
    })
    // tar has begun the big file; the pipes are full and hold it there.
    await change()
  }
}

function both(...steps: ((archive: CaptureArchive) => Promise<void>)[]) {
  return async (archive: CaptureArchive): Promise<void> => {
    for (const step of steps) await step(archive)
  }
}

describe.each([{ tar: 'gnu' as const }, { tar: 'busybox' as const }])('with $tar tar', ({ tar }) => {
  async function setUp(folder: string) {
    const deployment = join(folder, 'app')
    const copy = join(folder, 'copy')
    await mkdir(join(deployment, 'logs'), { recursive: true })
    await mkdir(copy)
    const path = tar === 'busybox' ? await busyboxTools(join(folder, 'tools')) : process.env['PATH']
    const host = shellHost({ shell: ['/bin/dash'], path: path ?? '' })
    const big = join(deployment, 'logs/big')
    await writeFile(big, Buffer.alloc(BIG, 'a'))
    return {
      deployment,
      copy,
      big,
      context: { host, probe: probeOf(deployment, { tar, versions: {} }) },
    }
  }

  it('reads a file again that shrank while it was read (regression: zeros, or half an archive)', async () => {
    await using temp = await tempDir()
    const { deployment, copy, big, context } = await setUp(temp.path)
    await writeFile(join(deployment, 'logs/other'), 'other')
    await writeFile(join(deployment, 'logs/zlast'), 'last')
    const drained = await drain(
      context,
      filesConfig(['logs']),
      temp.path,
      during('', () => truncate(big, 1000)),
    )
    expect(drained.parts).toEqual(['', 'reread'])
    expect(drained.members[1]).toContain('logs/big')
    expect(drained.outcome.amendments.get('\0logs/big')).toEqual({ replacedBy: 'reread' })
    expect(drained.outcome.warnings).toEqual([{ code: 'file-changed', count: 1 }])
    await unpack(drained, copy)
    expect((await readFile(join(copy, 'logs/big'))).equals(Buffer.alloc(1000, 'a'))).toBe(true)
    expect(await readFile(join(copy, 'logs/other'), 'utf8')).toBe('other')
    expect(await readFile(join(copy, 'logs/zlast'), 'utf8')).toBe('last')
    expect(drained.outcome.facts).toMatchObject({ files: 3, bytes: 1009, directories: 1 })
  })

  it('reads a file again that grew, together with its hard links', async () => {
    await using temp = await tempDir()
    const { deployment, copy, big, context } = await setUp(temp.path)
    await link(big, join(deployment, 'logs/twin'))
    const drained = await drain(
      context,
      filesConfig(['logs']),
      temp.path,
      during('', () => appendFile(big, 'tail')),
    )
    expect(drained.members[1]?.filter((name) => name !== 'logs').toSorted()).toEqual([
      'logs/big',
      'logs/twin',
    ])
    await unpack(drained, copy)
    const tree = await readTree(copy)
    expect(tree.get('logs/big')?.size).toBe(String(BIG + 4))
    expect(tree.get('logs/twin')?.inodeOf).toBe('logs/big')
    expect(drained.outcome.facts).toMatchObject({ files: 1, links: 1, bytes: BIG + 4 })
  })

  it('flags a file as torn that changes again', async () => {
    await using temp = await tempDir()
    const { big, context } = await setUp(temp.path)
    const grow = () => appendFile(big, 'tail')
    const drained = await drain(
      context,
      filesConfig(['logs']),
      temp.path,
      both(during('', grow), during('reread', grow)),
    )
    expect(drained.outcome.amendments.get('reread\0logs/big')).toEqual({ flags: ['torn'] })
    expect(drained.outcome.warnings).toContainEqual({ code: 'file-torn', count: 1 })
  })

  it('keeps the first copy, flagged, of a file that changed and then went away', async () => {
    await using temp = await tempDir()
    const { big, context } = await setUp(temp.path)
    const drained = await drain(
      context,
      filesConfig(['logs']),
      temp.path,
      during('', async () => {
        await appendFile(big, 'tail')
        await rm(big)
      }),
    )
    // Without a name there is nobody to ask whether it changed: busybox tar read it whole either way.
    if (tar === 'gnu') expect(drained.outcome.amendments.get('\0logs/big')).toEqual({ flags: ['torn'] })
    expect(drained.members[0]).toContain('logs/big')
  })

  it('warns of files that vanish before they are read', async () => {
    await using temp = await tempDir()
    const { deployment, context } = await setUp(temp.path)
    const small = Array.from({ length: 20 }, (_, at) => join(deployment, `logs/small-${at}`))
    for (const file of small) await writeFile(file, 'x')
    const drained = await drain(
      context,
      filesConfig(['logs']),
      temp.path,
      during('', async () => {
        for (const file of small) await rm(file)
      }),
    )
    const packed = drained.members[0]?.filter((name) => name.startsWith('logs/small-')).length ?? 0
    const vanished = drained.outcome.warnings.find((warning) => warning.code === 'file-vanished')?.count ?? 0
    expect(packed + vanished).toBe(20)
    expect(drained.outcome.facts).toMatchObject({ files: 1 + packed })
  })

  it('fails when the source itself vanishes while it is read', async () => {
    await using temp = await tempDir()
    const { deployment, context } = await setUp(temp.path)
    for (let at = 0; at < 50; at += 1) await writeFile(join(deployment, `logs/small-${at}`), 'x')
    await mkdir(join(deployment, 'second'))
    await writeFile(join(deployment, 'second/x'), 'x')
    const gone = drain(
      context,
      filesConfig(['logs', 'second']),
      temp.path,
      during('', async () => {
        await rename(join(deployment, 'second'), join(deployment, 'moved'))
      }),
    )
    await expect(gone).rejects.toMatchObject({
      code: 'source-vanished',
      message: expect.stringContaining('second') as unknown,
    })
  })

  it('stops the server when it is aborted in the middle, and says nothing of it', async () => {
    await using temp = await tempDir()
    const { context } = await setUp(temp.path)
    let exits = 0
    const spawn: RemoteHost['spawn'] = async (command, options) => {
      const process = await context.host.spawn(command, options)
      exits -= 1
      void process.exit.then(() => {
        exits += 1
      })
      return process
    }
    const broken = drain(
      { ...context, host: { ...context.host, run: context.host.run.bind(context.host), spawn } },
      filesConfig(['logs']),
      temp.path,
      async (archive) => {
        await during('', async () => {})(archive)
        archive.abort()
        archive.abort()
        await archive.finish()
        throw new Error('the pipe broke')
      },
    )
    await expect(broken).rejects.toThrow('the pipe broke')
    await vi.waitFor(() => expect(exits).toBe(0))
  })
})
