import { chmod, mkdir, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRecordSorter } from '../../../../src/archive/record-sorter.ts'
import { writeArchive } from '../../../../src/archive/write-archive.ts'
import type { Encryptor } from '../../../../src/crypto/contract.ts'
import type { PullContext } from '../../../../src/sources/contract.ts'
import { captureFiles } from '../../../../src/sources/files/capture.ts'
import { busyboxTools } from '../../../lab/busybox.ts'
import { HOSTILE_NAMES } from '../../../lab/hostile-tree.ts'
import { tempDir, type TempDir } from '../../../lab/temp.ts'
import { drain, filesConfig } from './drain.ts'
import { probeOf, shellHost } from './shell-host.ts'

/** What a program in the place of tar needs to send any archive. */
const TAMPER = `
import io, sys, tarfile
out = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT)
def add(name, data=b'x', **more):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items(): setattr(info, key, value)
    out.addfile(info, io.BytesIO(data) if info.size else None)
def directory(name): add(name, b'', type=tarfile.DIRTYPE, mode=0o755)
`

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir()
})
afterAll(() => temp[Symbol.asyncDispose]())

/** What stands in the tar that the server sends, as lines of Python. */
const LIES: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'five files fewer':
    "directory('data'); add('data/a'); add('data/b'); directory('data/sub'); add('data/sub/g')",
  'the last one missing': "directory('data')\nfor n in 'abcdef': add('data/' + n)\ndirectory('data/sub')",
  'a member of another source': "everything(); add('logs/app.log')",
  'a member that was not listed': "everything(); add('data/planted')",
  'a name that climbs out': "everything(); add('data/../../etc/passwd')",
  'a name that climbs out at once': "everything(); add('../../etc/passwd')",
  'an absolute name': "everything(); add('/etc/passwd')",
  'one member twice': "everything(); add('data/a', b'another')",
  'one member twice in a row': "directory('data'); add('data/a'); add('data/a'); rest()",
  'a device node':
    "directory('data'); add('data/a', b'', type=tarfile.CHRTYPE, devmajor=1, devminor=8); rest()",
  'a link in place of a directory, and what is below it':
    "directory('data')\nfor n in 'abcdef': add('data/' + n)\nadd('data/sub', b'', type=tarfile.SYMTYPE, linkname='/etc'); add('data/sub/g')",
  'a hard link to what is not there':
    "directory('data'); add('data/a', b'', type=tarfile.LNKTYPE, linkname='etc/shadow'); rest()",
  'only the tails of names': "for n in 'abcdef': add(n)",
}

describe.each(Object.entries(LIES))('a tar on the server that sends %s', (_what, lines) => {
  it('fails the source at the pull', async () => {
    const deployment = join(temp.path, `app-${Math.random()}`)
    await mkdir(join(deployment, 'data/sub'), { recursive: true })
    for (const name of [...'abcdef']) await writeFile(join(deployment, 'data', name), 'x')
    await writeFile(join(deployment, 'data/sub/g'), 'x')
    const tools = join(deployment, 'tools')
    await mkdir(tools)
    const python = join(tools, 'lie.py')
    await writeFile(
      python,
      `${TAMPER}
def rest():
    for n in 'bcdef': add('data/' + n)
    directory('data/sub'); add('data/sub/g')
def everything():
    directory('data'); add('data/a'); rest()
${lines}
out.close()
`,
    )
    await writeFile(join(tools, 'tar'), `#!/bin/sh\ncat >/dev/null\nexec python3 ${python}\n`)
    await chmod(join(tools, 'tar'), 0o755)
    const host = shellHost({ shell: ['/bin/dash'], path: `${tools}:${process.env['PATH']}` })
    await expect(captured(host, deployment)).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:wrong-members|missing-members|hostile-|source-vanished)/) as unknown,
    })
  })
})

it('the same server is believed when it packs what it was told', async () => {
  const deployment = join(temp.path, 'honest')
  await mkdir(join(deployment, 'data'), { recursive: true })
  for (const name of HOSTILE_NAMES)
    await writeFile(Buffer.concat([Buffer.from(`${deployment}/data/`), name]), 'x')
  const host = shellHost({ shell: ['/bin/dash'] })
  expect(await captured(host, deployment)).toBe(HOSTILE_NAMES.length + 1)
})

describe.each(['gnu', 'busybox'] as const)('with %s tar', (tar) => {
  async function setUp() {
    const deployment = join(temp.path, `${tar}-${Math.random()}`)
    await mkdir(join(deployment, 'data'), { recursive: true })
    const path = tar === 'busybox' ? await busyboxTools(join(deployment, 'tools')) : process.env['PATH']
    const probe = probeOf(deployment, { tar, versions: {}, findPrintf: tar === 'gnu' })
    return { deployment, context: { host: shellHost({ shell: ['/bin/dash'], path: path ?? '' }), probe } }
  }

  it('every hostile name that vanishes while it is read is reported as gone, and none is missed', async () => {
    const { deployment, context } = await setUp()
    // More than what pipes hold: tar stands in the first of them, and has not looked at the others.
    await writeFile(join(deployment, 'data/!'), Buffer.alloc(24 * 1024 * 1024))
    const names = HOSTILE_NAMES.filter((name) => !name.equals(Buffer.from('!')))
    const path = (name: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`${deployment}/data/z`), name.subarray(0, 254)])
    for (const name of names) await writeFile(path(name), 'x')
    const drained = await drain(context, filesConfig(['data']), deployment, async ({ part, input }) => {
      if (part !== '') return
      await new Promise<void>((resolve) => input.stream.once('readable', () => resolve()))
      for (const name of names) await unlink(path(name))
    })
    const warned = drained.outcome.warnings.find(({ code }) => code === 'file-vanished')
    if (tar === 'gnu') expect(warned?.count).toBe(names.length)
    expect(drained.members[0]).toContain('data/!')
  })

  it('a root that goes away while it is read fails the source', async () => {
    const { deployment, context } = await setUp()
    await writeFile(join(deployment, 'data/a'), Buffer.alloc(24 * 1024 * 1024))
    await writeFile(join(deployment, 'data/b'), Buffer.alloc(24 * 1024 * 1024))
    const drained = drain(context, filesConfig(['data']), deployment, async ({ part, input }) => {
      if (part !== '') return
      await new Promise<void>((resolve) => input.stream.once('readable', () => resolve()))
      await rename(join(deployment, 'data'), join(deployment, 'elsewhere'))
    })
    await expect(drained).rejects.toMatchObject({ code: 'source-vanished' })
  })
})

it('a directory of more names than tar can tell of vanishes, and that is no failure', async () => {
  const deployment = join(temp.path, 'many')
  await mkdir(join(deployment, 'data/z'), { recursive: true })
  await writeFile(join(deployment, 'data/a'), Buffer.alloc(24 * 1024 * 1024))
  const many = Array.from({ length: 3000 }, (_, at) => `${at}-${'n'.repeat(40)}`)
  for (const name of many) await writeFile(join(deployment, 'data/z', name), '')
  const host = shellHost({ shell: ['/bin/dash'] })
  const context = { host, probe: probeOf(deployment, { versions: {} }) }
  const drained = await drain(context, filesConfig(['data']), deployment, async ({ part, input }) => {
    if (part !== '') return
    await new Promise<void>((resolve) => input.stream.once('readable', () => resolve()))
    await rm(join(deployment, 'data/z'), { recursive: true })
  })
  const gone = drained.outcome.warnings.find(({ code }) => code === 'file-vanished')?.count ?? 0
  expect(gone + (drained.members[0]?.length ?? 0)).toBeGreaterThanOrEqual(many.length)
})

it('a directory that becomes a file while it is read is no failure either', async () => {
  const deployment = join(temp.path, 'becomes')
  await mkdir(join(deployment, 'data/z'), { recursive: true })
  await writeFile(join(deployment, 'data/a'), Buffer.alloc(24 * 1024 * 1024))
  await writeFile(join(deployment, 'data/z/inside'), 'x')
  const context = { host: shellHost({ shell: ['/bin/dash'] }), probe: probeOf(deployment, { versions: {} }) }
  const drained = await drain(context, filesConfig(['data']), deployment, async ({ part, input }) => {
    if (part !== '') return
    await new Promise<void>((resolve) => input.stream.once('readable', () => resolve()))
    await rm(join(deployment, 'data/z'), { recursive: true })
    await writeFile(join(deployment, 'data/z'), 'a file')
  })
  expect(drained.outcome.warnings).toContainEqual({ code: 'file-vanished', count: 1 })
})

/** Captures through the pipe of a pull, encryption aside; the number of members. */
async function captured(host: ReturnType<typeof shellHost>, deployment: string): Promise<number> {
  let entries = 0
  const encryptor = {
    encrypt: () => Promise.resolve({ stream: new PassThrough(), headBytes: 0 }),
  } as unknown as Encryptor
  const { signal } = new AbortController()
  const context = {
    host,
    probe: probeOf(deployment, { versions: {} }),
    privilege: undefined,
    compression: { kind: 'auto' },
    step: () => {},
    notice: () => {},
    createSorter: <T>() => createRecordSorter<T>(join(temp.path, 'sorting')),
    signal,
  } as unknown as PullContext
  await using capture = await captureFiles(context, filesConfig(['data']))
  for await (const archive of capture.archives()) {
    const sink = { stream: new Writable({ write: (_chunk, _encoding, done) => done() }) }
    const { input, observer } = archive
    const result = await writeArchive(input, { encryptor, sink, observer, signal }).catch(
      (error: unknown) => {
        archive.abort()
        throw error
      },
    )
    await archive.finish()
    entries += result.entries
  }
  await capture.finish()
  return entries
}
