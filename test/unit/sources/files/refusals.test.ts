import { execFile } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { RemoteHost } from '../../../../src/remote/contract.ts'
import { busyboxTools } from '../../../lab/busybox.ts'
import { tempDir } from '../../../lab/temp.ts'
import { drain, filesConfig } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

const run = promisify(execFile)
/** A uid that owns nothing. */
const NOBODY = 64_123

const shells = [
  { name: 'dash', shell: ['/bin/dash'] },
  { name: 'busybox sh', shell: ['/bin/busybox', 'sh'] },
]

describe.each(shells)('a path that is refused under $name', ({ shell }) => {
  async function refused(prepare: (deployment: string) => Promise<string>, uid?: number) {
    await using temp = await tempDir()
    await chmod(temp.path, 0o755)
    const deployment = join(temp.path, 'app')
    await mkdir(deployment)
    const path = await prepare(deployment)
    const host = shellHost({ shell, ...(uid === undefined ? {} : { uid }) })
    return await drain(
      { host, probe: probeOf(deployment, { versions: {}, uid: uid ?? 0, user: 'someone' }) },
      filesConfig([path]),
      temp.path,
    )
  }

  it('does not exist: says what is there instead', async () => {
    const result = refused(async (deployment) => {
      await mkdir(join(deployment, 'there'))
      await writeFile(join(deployment, 'there/log\nfile'), '')
      return 'there/logz/deeper'
    })
    await expect(result).rejects.toMatchObject({
      code: 'no-such-path',
      message: expect.stringMatching(/there\/logz\/deeper .*\/there has log\\nfile$/) as unknown,
    })
  })

  it('is a dangling symlink: says where it points to', async () => {
    const result = refused(async (deployment) => {
      await symlink('../nowhere\n', join(deployment, 'logs'))
      return 'logs'
    })
    await expect(result).rejects.toMatchObject({
      code: 'dangling-link',
      message: 'logs is a symlink to ../nowhere\\n, which does not exist',
    })
  })

  it('is a socket', async () => {
    const server = createServer()
    try {
      const result = refused(async (deployment) => {
        await new Promise<void>((resolve) => server.listen(join(deployment, 'socket'), resolve))
        return 'socket'
      })
      await expect(result).rejects.toMatchObject({ code: 'not-a-file' })
    } finally {
      server.close()
    }
  })

  it('is unreadable: says who we are, whose it is, and what to do', async () => {
    const result = refused(async (deployment) => {
      await mkdir(join(deployment, 'data'), { mode: 0o700 })
      return 'data'
    }, NOBODY)
    await expect(result).rejects.toMatchObject({
      code: 'unreadable',
      message: `data can't be read by uid ${NOBODY} (someone): it belongs to uid 0, mode drwx------`,
      details: { next: expect.stringContaining('sudo: true') as unknown },
    })
  })

  it('is below a directory that keeps us out', async () => {
    const result = refused(async (deployment) => {
      await mkdir(join(deployment, 'shut'), { mode: 0o700 })
      await mkdir(join(deployment, 'shut/data'))
      return 'shut/data'
    }, NOBODY)
    await expect(result).rejects.toMatchObject({
      code: 'unreadable',
      message: expect.stringContaining('shut belongs to uid 0') as unknown,
    })
  })
})

/** How a server packs: a GNU tar that lists with its find's -printf or without it, or busybox tar. */
const ways = [
  { name: 'GNU tar', tar: 'gnu' as const, findPrintf: true },
  { name: 'GNU tar without find -printf', tar: 'gnu' as const, findPrintf: false },
  { name: 'busybox tar', tar: 'busybox' as const, findPrintf: false },
]

describe.each(ways)('a failure of $name', ({ tar, findPrintf }) => {
  async function setUp(folder: string, options: { uid?: number } = {}) {
    await chmod(folder, 0o755)
    const deployment = join(folder, 'app')
    await mkdir(join(deployment, 'data'), { recursive: true })
    await writeFile(join(deployment, 'data/file'), 'x'.repeat(100_000))
    const path = tar === 'busybox' ? await busyboxTools(join(folder, 'tools')) : process.env['PATH']
    const host = shellHost({ shell: ['/bin/dash'], path: path ?? '', ...options })
    const probe = probeOf(deployment, { tar, findPrintf, versions: {}, uid: options.uid ?? 0 })
    return { deployment, host, probe }
  }

  it('goes on without the files that it may not read, and names them and their owner', async () => {
    await using temp = await tempDir()
    const { deployment, host, probe } = await setUp(temp.path, { uid: NOBODY })
    await writeFile(join(deployment, 'data/secret\nfile'), 'x', { mode: 0o600 })
    const drained = await drain({ host, probe }, filesConfig(['data']), temp.path)
    expect(drained.members).toEqual([['data', 'data/file']])
    expect(drained.outcome.warnings).toEqual([{ code: 'file-unreadable', count: 1 }])
    expect(drained.notices).toMatchObject([
      {
        code: 'file-unreadable',
        message: `not in this snapshot: 1 file can't be read by uid ${NOBODY}: data/secret\\nfile (uid 0, -rw-------)`,
        next: expect.stringContaining('sudo: true') as unknown,
      },
    ])
  })

  it('goes on without what is in a directory that it may not read, unless that is excluded', async () => {
    await using temp = await tempDir()
    const { deployment, host, probe } = await setUp(temp.path, { uid: NOBODY })
    await mkdir(join(deployment, 'data/shut/deep'), { recursive: true })
    await chmod(join(deployment, 'data/shut'), 0o700)
    const drained = await drain({ host, probe }, filesConfig(['data']), temp.path)
    expect(drained.members.flat()).toEqual(expect.arrayContaining(['data', 'data/file']))
    expect(drained.members.flat()).not.toContain('data/shut/deep')
    expect(drained.outcome.warnings).toEqual([{ code: 'file-unreadable', count: 1 }])
    const without = await drain({ host, probe }, filesConfig(['data'], ['shut']), temp.path)
    expect(without.outcome.warnings).toEqual([])
  })

  it('goes on without a path that it may not read, beside others, named by where it really is', async () => {
    await using temp = await tempDir()
    const { deployment, host, probe } = await setUp(temp.path, { uid: NOBODY })
    const elsewhere = join(temp.path, 'shut.env')
    await writeFile(elsewhere, 'x', { mode: 0o600 })
    const drained = await drain({ host, probe }, filesConfig([elsewhere, 'data']), temp.path)
    expect(drained.members).toEqual([['data', 'data/file']])
    expect(drained.notices[0]?.message).toMatch(/shut\.env \(uid 0, -rw-------\)$/)
    await expect(drain({ host, probe }, filesConfig([elsewhere]), temp.path)).rejects.toMatchObject({
      code: 'unreadable',
    })
    await chmod(join(deployment, 'data'), 0o700)
    await writeFile(join(deployment, 'readable'), '')
    await expect(drain({ host, probe }, filesConfig(['data', 'readable']), temp.path)).rejects.toMatchObject({
      code: 'unreadable',
    })
  })

  it('goes on without more than it can name', { timeout: 20_000 }, async () => {
    await using temp = await tempDir()
    const { deployment, host, probe } = await setUp(temp.path, { uid: NOBODY })
    const shut = Array.from({ length: 1500 }, (_each, at) => `${'shut'.repeat(10)}${at}`)
    for (const name of shut) await writeFile(join(deployment, 'data', name), 'x', { mode: 0o600 })
    const drained = await drain({ host, probe }, filesConfig(['data']), temp.path)
    expect(drained.members).toEqual([['data', 'data/file']])
    expect(drained.outcome.warnings).toContainEqual({ code: 'file-unreadable', count: 1500 })
  })

  it('says that there is no tar on the server, whether the probe knew or not', async () => {
    await using temp = await tempDir()
    const { deployment, probe } = await setUp(temp.path)
    const path = await busyboxTools(join(temp.path, 'no-tar'), { without: ['tar'] })
    const host = shellHost({ shell: ['/bin/dash'], path })
    const expected = { code: 'no-tar' }
    const busybox = { ...probe, findPrintf: false }
    await expect(drain({ host, probe: busybox }, filesConfig(['data']), temp.path)).rejects.toMatchObject(
      expected,
    )
    await expect(
      drain({ host, probe: probeOf(deployment, { tar: undefined }) }, filesConfig(['data']), temp.path),
    ).rejects.toMatchObject(expected)
  })

  it('takes no status for a success when the script is killed', async () => {
    await using temp = await tempDir()
    const { host, probe } = await setUp(temp.path)
    const silent: RemoteHost = {
      ...host,
      run: host.run.bind(host),
      spawn: async (command, options) => {
        const process = await host.spawn(command, options)
        return { ...process, exit: process.exit.then((exit) => ({ ...exit, stderr: '' })) }
      },
    }
    await expect(drain({ host: silent, probe }, filesConfig(['data']), temp.path)).rejects.toMatchObject({
      code: 'script',
    })
  })

  it('takes a path that is asked for by name, whatever is excluded', async () => {
    await using temp = await tempDir()
    const { host, probe } = await setUp(temp.path)
    const drained = await drain({ host, probe }, filesConfig(['data'], ['data', '*']), temp.path)
    expect(drained.members).toEqual([['data']])
  })
})

describe('the compressor on the server', () => {
  it('fails the source when it fails', async () => {
    await using temp = await tempDir()
    const deployment = join(temp.path, 'app')
    await mkdir(join(deployment, 'data'), { recursive: true })
    await writeFile(join(deployment, 'data/file'), Buffer.alloc(10_000_000))
    const tools = join(temp.path, 'tools')
    await mkdir(tools)
    await writeFile(join(tools, 'zstd'), '#!/bin/sh\nhead -c 1000 >/dev/null\necho no memory >&2\nexit 1\n')
    await chmod(join(tools, 'zstd'), 0o755)
    const host = shellHost({ shell: ['/bin/dash'], path: `${tools}:${process.env['PATH']}` })
    await expect(
      drain({ host, probe: probeOf(deployment) }, filesConfig(['data']), temp.path),
    ).rejects.toMatchObject({
      message: 'The compressor on the server failed with status 1',
      details: { stderr: expect.stringContaining('no memory') as unknown },
    })
  })
})

describe('a flood of messages', () => {
  it('keeps the status (regression: it was cut off with the messages)', async () => {
    await using temp = await tempDir()
    const deployment = join(temp.path, 'app')
    await mkdir(join(deployment, 'data'), { recursive: true })
    // Hard links of one socket: tar says a line for each.
    const name = 's'.repeat(200)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(deployment, 'data/s'), resolve))
    await run('sh', ['-c', `i=0; while [ $i -lt 600 ]; do ln s ${name}$i; i=$((i+1)); done`], {
      cwd: join(deployment, 'data'),
    })
    try {
      const drained = await drain(
        { host: shellHost({ shell: ['/bin/busybox', 'sh'] }), probe: probeOf(deployment) },
        filesConfig(['data']),
        temp.path,
      )
      expect(drained.members).toEqual([['data']])
    } finally {
      server.close()
    }
  })
})
