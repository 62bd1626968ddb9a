import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { RemoteProcess } from '../../../../src/remote/contract.ts'
import type { Session } from '../../../../src/sources/redis/talk/connection.ts'
import { tarArchive } from '../../../../src/sources/redis/capture/tar-archive.ts'

/** What a capture says of a Redis directory whose tar ended like this. */
async function ended(tar: 'gnu' | 'busybox', status: string, messages = ''): Promise<unknown> {
  const spawn = (command: { readonly args?: readonly string[] }): Promise<RemoteProcess> => {
    const stdout = new PassThrough()
    stdout.end()
    const stderr = `${messages}relay-backup:${command.args?.[0]}:status ${status}\n`
    return Promise.resolve({
      stdin: new PassThrough(),
      stdout,
      exit: Promise.resolve({ status: 0, stderr }),
      kill: () => {},
    })
  }
  const probe = { tar, uid: 1000, versions: {}, cpus: 1 }
  const context = { probe, compression: { kind: 'auto' }, host: { spawn }, signal: AbortSignal.any([]) }
  const what = { part: '', base: '/data', name: 'redis', exclude: [] }
  let report: unknown
  const archive = await tarArchive(
    { context } as unknown as Session,
    what as unknown as Parameters<typeof tarArchive>[1],
    {},
    (told) => (report = told),
  )
  archive.input.stream.resume()
  await new Promise((resolve) => archive.input.stream.once('end', resolve))
  await archive.finish()
  return report
}

test.each(['gnu', 'busybox'] as const)('%s tar that ended well is believed', async (tar) => {
  expect(await ended(tar, 'compress=0 tar=0')).toEqual({
    changed: [],
    vanished: [],
    unreadable: [],
    sockets: 0,
  })
})

test.each([
  ['gnu', 'tar=2', ''],
  ['gnu', 'tar=137', ''],
  ['gnu', 'tar=141', ''],
  ['busybox', 'tar=1', ''],
  ['gnu', 'tar=0', 'compress=1'],
] as const)('%s tar that ended with %s %s fails the source', async (tar, status, compress) => {
  await expect(ended(tar, `${status} ${compress || 'compress=0'}`)).rejects.toMatchObject({
    code: 'capture-failed',
  })
})

test('a stage that nobody reported fails the source', async () => {
  await expect(ended('gnu', 'compress=0')).rejects.toMatchObject({ code: 'capture-failed' })
  await expect(ended('gnu', 'tar=0')).rejects.toMatchObject({ code: 'capture-failed' })
})

test("GNU tar's 1 says that files changed, and its 2 is good where files went away", async () => {
  expect(await ended('gnu', 'compress=0 tar=1', 'tar: redis/a: file changed as we read it\n')).toMatchObject({
    changed: ['redis/a'],
  })
  const gone = 'tar: redis/b: File removed before we read it\n'
  expect(await ended('gnu', 'compress=0 tar=2', gone)).toMatchObject({ vanished: ['redis/b'] })
  await expect(ended('gnu', 'compress=0 tar=127')).rejects.toMatchObject({ code: 'no-tar' })
})

test.each([
  ['gnu', 'tar=2', 'tar: redis/c: Cannot open: Permission denied\n'],
  [
    'busybox',
    'tar=1',
    "tar: can't open 'redis/c': Permission denied\ntar: error exit delayed from previous errors\n",
  ],
] as const)(
  '%s tar tells what it may not read, and nothing else may be behind it',
  async (tar, status, said) => {
    expect(await ended(tar, `compress=0 ${status}`, said)).toMatchObject({ unreadable: ['redis/c'] })
    await expect(
      ended(tar, `compress=0 ${status}`, `${said}tar: redis/d: Input/output error\n`),
    ).rejects.toMatchObject({
      code: 'capture-failed',
    })
  },
)
