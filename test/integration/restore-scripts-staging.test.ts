import { execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { homeOf } from '../../src/restore/server/layout.ts'
import { lookAtTargets } from '../../src/restore/server/look.ts'
import { digHoles, hashStaged, prepareStaging, spawnUnpack } from '../../src/restore/server/staging.ts'
import type { StagedHash } from '../../src/restore/server/staging.ts'
import {
  buildHostileTree,
  compareTrees,
  HOSTILE_NAMES,
  readAttributes,
  readTree,
} from '../lab/hostile-tree.ts'
import { MACHINES, quiet, RestoreLab } from './restore-scripts-lab.ts'

const run = promisify(execFile)

async function staging(lab: RestoreLab): Promise<string> {
  const directory = `${lab.deployment}/.relay-backup/restore-x/files`
  await using host = lab.host()
  await prepareStaging(host, {
    deployment: lab.deployment,
    id: 'x',
    directories: [directory],
    privilege: undefined,
    signal: quiet(),
  })
  return directory
}

describe.concurrent.each(MACHINES)('staging on a server with %s', (machine) => {
  const gnu = machine === 'dash with GNU tools'

  it.each(['none', 'gzip', ...(gnu ? ['zstd'] : [])] as ('none' | 'gzip' | 'zstd')[])(
    'unpacks a tree of everything (%s)',
    async (compression) => {
      await using lab = await RestoreLab.make(machine)
      await using host = lab.host()
      const source = join(lab.root, 'source')
      await mkdir(source)
      await buildHostileTree(source, { sparseBytes: 1024 ** 2, attributes: gnu })
      const directory = await staging(lab)
      const tarArgs = gnu ? '--xattrs --acls --format=posix' : '--format=gnu'
      const filter = compression === 'none' ? 'cat' : compression
      for (const again of gnu ? [false] : [false, true]) {
        const unpack = await spawnUnpack(host, {
          directory,
          again,
          compression,
          owners: true,
          extras: gnu,
          privilege: undefined,
          signal: quiet(),
        })
        const list = again ? 'find source -depth -type d -print0' : 'find source -print0'
        const pack = `tar -c ${tarArgs} --no-recursion --null --verbatim-files-from -T - 2>/dev/null`
        const tar = spawn('sh', ['-c', `cd '${lab.root}' && ${list} | ${pack} | ${filter}`])
        await pipeline(tar.stdout, unpack.stdin)
        await unpack.done
      }
      const options = { wholeSeconds: !gnu }
      const differences = compareTrees(
        await readTree(source, options),
        await readTree(join(directory, 'source'), options),
      )
      // busybox sets no times of symlinks, and none after 2106.
      const lost = /^"(links\/(in|in-again|out|absolute|dangling|long|to-bytes)|times\/(link|far))": mtimeNs/
      expect(gnu ? differences : differences.filter((line) => !lost.test(line))).toEqual([])
      if (gnu) expect(await readAttributes(join(directory, 'source'))).toEqual(await readAttributes(source))
    },
  )

  if (gnu)
    it('unpacks an archive under another name of its root, and says how far it is', async () => {
      await using lab = await RestoreLab.make(machine)
      await using host = lab.host()
      const source = join(lab.root, 'app.v1')
      const tree = join(source, 'logs-1_a')
      await mkdir(tree, { recursive: true })
      await buildHostileTree(tree, { sparseBytes: 1024 ** 2, attributes: true })
      for (let at = 0; at < 300; at += 1) await writeFile(join(tree, `file-${at}`), `${at}`)
      // Neither what only looks like the root in a pattern, nor what a symlink names, is called otherwise.
      await symlink('app.v1/logs-1_a/file-1', join(tree, 'to-the-root'))
      const archive = execFileSync(
        'tar',
        ['-c', '--xattrs', '--acls', '--format=posix', '-C', lab.root, 'app.v1/logs-1_a'],
        { maxBuffer: 1024 ** 3 },
      )
      const directory = await staging(lab)
      const counts: number[] = []
      const unpack = await spawnUnpack(host, {
        directory,
        compression: 'none',
        rename: { member: 'app.v1/logs-1_a', name: '7' },
        onMembers: (count) => counts.push(count),
        owners: true,
        extras: true,
        privilege: undefined,
        signal: quiet(),
      })
      unpack.stdin.end(archive)
      await unpack.done
      expect(compareTrees(await readTree(tree), await readTree(join(directory, '7')))).toEqual([])
      expect(await readdir(directory)).toEqual(['7'])
      expect(counts.slice(0, 102)).toEqual([...Array(100).keys(), 199, 299])
    })

  if (gnu)
    it('replaces nothing of an archive that has a name twice, as a file system that folds names would see it', async () => {
      await using lab = await RestoreLab.make(machine)
      await using host = lab.host()
      await mkdir(join(lab.root, 'app'))
      await writeFile(join(lab.root, 'app/file'), 'first')
      const make = 'cd "$1" && tar -c -f two.tar app && echo second >app/file && tar -r -f two.tar app/file'
      execFileSync('sh', ['-c', make, 'sh', lab.root])
      const directory = await staging(lab)
      const unpack = await spawnUnpack(host, {
        directory,
        compression: 'none',
        rename: { member: 'app', name: '1' },
        owners: true,
        extras: true,
        privilege: undefined,
        signal: quiet(),
      })
      unpack.stdin.end(await readFile(join(lab.root, 'two.tar')))
      await expect(unpack.done).rejects.toThrow('File exists')
      expect(await readFile(join(directory, '1/file'), 'utf8')).toBe('first')
    })

  it('fails for an archive that is cut off, and into a directory that is not empty', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const directory = await staging(lab)
    const options = {
      directory,
      compression: 'none',
      owners: false,
      extras: false,
      privilege: undefined,
      signal: quiet(),
    } as const
    await writeFile(join(lab.data, 'large'), Buffer.alloc(100_000))
    const archive = execFileSync('tar', ['-c', '-C', lab.data, 'large'])
    const cut = await spawnUnpack(host, options)
    cut.stdin.end(archive.subarray(0, 50_000))
    await expect(cut.done).rejects.toThrow('unpacking failed')
    await rm(join(directory, 'large'), { force: true })
    await writeFile(join(directory, 'there'), '')
    const second = await spawnUnpack(host, options)
    second.stdin.on('error', () => {})
    second.stdin.end(archive)
    await expect(second.done).rejects.toThrow('is not empty')
  })

  it('refuses to make what is there already', async () => {
    await using lab = await RestoreLab.make(machine)
    await staging(lab)
    await expect(staging(lab)).rejects.toThrow('File exists')
  })

  it('hashes files of any name in their order', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const directory = join(lab.root, 'files')
    await mkdir(directory)
    const names: Buffer[] = []
    const expected: StagedHash[] = []
    for (let at = 0; at < 700; at += 1) {
      const hostile = HOSTILE_NAMES[at % 17 === 0 ? (at / 17) % HOSTILE_NAMES.length : -1]
      const name = hostile ?? Buffer.from(`file-${at}`)
      names.push(name)
      await writeFile(Buffer.concat([Buffer.from(`${directory}/`), name]), name)
      expected.push({ sha256: createHash('sha256').update(name).digest('hex') })
    }
    await symlink('file-1', join(directory, 'link'))
    for (const [at, name, result] of [
      [3, 'gone', 'missing'],
      [200, 'link', 'other'],
      [201, '.', 'other'],
    ] as const) {
      names.splice(at, 0, Buffer.from(name))
      expected.splice(at, 0, result)
    }
    const hashesOf = async (some: readonly Buffer[]) => {
      const hashes: StagedHash[] = []
      const asked = { directory, names: some, privilege: undefined, signal: quiet() }
      for await (const hash of hashStaged(host, asked)) hashes.push(hash)
      return hashes
    }
    expect(await hashesOf(names)).toEqual(expected)
    expect(await hashesOf([])).toEqual([])
    // Plain names and nothing else: all of them by one process.
    const isPlain = (name: Buffer) => name.toString().startsWith('file-')
    expect(await hashesOf(names.filter(isPlain))).toEqual(expected.filter((_, at) => isPlain(names[at]!)))
  })

  it('digs the holes of sparse files where it can, and keeps their times and modes', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const file = join(lab.root, 'line\nbreak')
    await writeFile(file, Buffer.alloc(4 * 1024 * 1024))
    await truncate(file, 4 * 1024 * 1024)
    await chmod(file, 0o4711)
    await run('touch', ['-d', '2020-01-01 00:00:00.123456789', file])
    const before = await stat(file, { bigint: true })
    const dug = await digHoles(host, {
      directory: lab.root,
      names: [Buffer.from('line\nbreak')],
      privilege: undefined,
      signal: quiet(),
    })
    const after = await stat(file, { bigint: true })
    expect(dug).toBe(gnu ? 1 : 0)
    if (gnu) expect(after.blocks).toBeLessThan(before.blocks / 100n)
    expect([after.size, after.mode, after.mtimeNs]).toEqual([before.size, before.mode, before.mtimeNs])
  })

  it('looks at targets of every kind', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    await symlink(lab.deployment, join(lab.root, 'way'))
    const mounted = join(lab.deployment, 'with space')
    await lab.mount(mounted)
    await mkdir(join(lab.deployment, 'holds'))
    await lab.mount(join(lab.deployment, 'holds/mount'))
    const user = spawn('sleep', ['1000'], { cwd: join(lab.data, 'logs') })
    try {
      const look = await lookAtTargets(host, {
        deployment: join(lab.root, 'way'),
        targets: [
          join(lab.root, 'way/data'),
          mounted,
          join(lab.deployment, 'holds'),
          join(mounted, 'a/b'),
          join(lab.root, 'way'),
        ],
        privilege: undefined,
        signal: quiet(),
      })
      const [data, mount, holds, absent, link] = look.targets
      expect(look).toMatchObject({
        uid: 0,
        lockedBy: undefined,
        openRestores: [],
        deployment: { path: lab.deployment, type: 'directory' },
      })
      expect(data).toMatchObject({
        path: lab.data,
        type: 'directory',
        mountPoint: false,
        mountsInside: false,
        nearDeployment: true,
        readable: true,
        users: [{ pid: user.pid, name: 'sleep' }],
      })
      expect(data?.bytes).toBeGreaterThan(4096)
      expect(mount).toMatchObject({ mountPoint: true, users: [] })
      expect(mount?.freeBytes).toBeLessThanOrEqual(4 * 1024 * 1024)
      expect(holds).toMatchObject({ mountsInside: true })
      expect(absent).toMatchObject({
        type: 'absent',
        missingAncestors: 1,
        nearDeployment: false,
        owner: undefined,
      })
      expect(link).toMatchObject({ type: 'symlink' })
      if (data === undefined || mount === undefined || holds === undefined || absent === undefined)
        throw new Error()
      expect(homeOf(data, lab.deployment)).toEqual({
        kind: 'rename',
        home: `${lab.deployment}/.relay-backup`,
      })
      expect(homeOf(mount, lab.deployment)).toEqual({ kind: 'children', home: `${mounted}/.relay-backup` })
      expect(homeOf(absent, lab.deployment)).toEqual({ kind: 'rename', home: `${mounted}/.relay-backup` })
      expect(() => homeOf(holds, lab.deployment)).toThrow('another file system mounted')
    } finally {
      user.kill()
      await rm(join(lab.root, 'way'))
    }
  })
})

describe.concurrent.each([...MACHINES, 'bash'] as const)('processes on a server with %s', (machine) => {
  it('names a process that sees the data through a mount of its own', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const inside = join(lab.root, 'inside')
    await mkdir(inside)
    const container = spawn('unshare', [
      '-m',
      'sh',
      '-c',
      `mount --bind '${lab.data}/logs' '${inside}' && exec sleep 1000`,
    ])
    try {
      const users = async (): Promise<unknown> => {
        const look = await lookAtTargets(host, {
          deployment: lab.deployment,
          targets: [lab.data],
          privilege: undefined,
          signal: quiet(),
        })
        return look.targets[0]?.users
      }
      await expect.poll(users, { timeout: 10_000 }).toEqual([{ pid: container.pid, name: 'sleep' }])
    } finally {
      container.kill()
    }
  })

  it('takes a line break in a name for a part of it', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const [broken, mounted] = [join(lab.data, 'app\nlog'), join(lab.data, 'in\nside')]
    for (const name of [broken, mounted, join(lab.data, 'app'), join(lab.root, 'view')]) await mkdir(name)
    // The first lies in what the broken name begins like.
    const beside = spawn('sleep', ['1000'], { cwd: join(lab.data, 'app') })
    const user = spawn('sleep', ['1000'], { cwd: broken })
    const container = spawn('unshare', [
      ...['-m', 'sh', '-c', 'mount --bind "$0" "$1" && exec sleep 1000'],
      ...[mounted, join(lab.root, 'view')],
    ])
    try {
      const users = async (): Promise<unknown> => {
        const look = await lookAtTargets(host, {
          deployment: lab.deployment,
          targets: [broken, join(lab.data, 'app'), mounted, join(lab.data, 'app\nlogs')],
          privilege: undefined,
          signal: quiet(),
        })
        return look.targets.map((target) => target.users.map(({ pid }) => pid))
      }
      await expect.poll(users, { timeout: 20_000 }).toEqual([[user.pid], [beside.pid], [container.pid], []])
    } finally {
      for (const child of [beside, user, container]) child.kill()
    }
  })

  it("takes the name of a process's file for no line of another process", async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const [accented, similar] = [join(lab.data, 'café'), join(lab.data, 'cafê')]
    for (const name of [accented, similar]) await mkdir(name)
    // Its links come in this order: the name that looks like the heading of process 1, then the one that counts.
    const forger = join(lab.data, 'x\n\n')
    await mkdir(join(forger, 'proc', '1'), { recursive: true })
    await writeFile(join(forger, 'proc', '1', 'fd:\ntotal 0'), '')
    await writeFile(join(accented, 'file'), '')
    const user = spawn('sh', [
      ...['-c', 'exec sleep 1000 3<"$0" 4<"$1"'],
      ...[join(forger, 'proc', '1', 'fd:\ntotal 0'), join(accented, 'file')],
    ])
    try {
      const users = async (): Promise<unknown> => {
        const look = await lookAtTargets(host, {
          deployment: lab.deployment,
          targets: [accented, similar],
          privilege: undefined,
          signal: quiet(),
        })
        return look.targets.map((target) => target.users.map(({ pid }) => pid))
      }
      await expect.poll(users, { timeout: 20_000 }).toEqual([[user.pid], []])
    } finally {
      user.kill()
    }
  })
})
