import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { RemoteProcess } from '../../../../src/remote/contract.ts'
import type { CaptureContext } from '../../../../src/sources/contract.ts'
import { gnuPacker } from '../../../../src/sources/tree/gnu-packer.ts'

/** What is reported of a tree whose tar ended like this; nothing was packed. */
async function ended(status: string, messages = '', asked: readonly string[] = []): Promise<unknown> {
  const spawn = (command: { readonly args?: readonly string[] }): Promise<RemoteProcess> => {
    const stdout = new PassThrough()
    stdout.end()
    const stderr = `${messages}relay-backup:${command.args?.[0]}:status ${status}\n`
    return Promise.resolve({
      stdin: new PassThrough().resume(),
      stdout,
      exit: Promise.resolve({ status: 0, stderr }),
      kill: () => {},
    })
  }
  const probe = { tar: 'gnu', uid: 1000, versions: {}, cpus: 1, deployment: '/data' }
  const run = () => Promise.reject(new Error('nobody can be asked'))
  const context = { probe, compression: { kind: 'auto' }, host: { spawn, run }, signal: AbortSignal.any([]) }
  const root = { name: 'redis', base: 'deployment', type: 'directory' } as const
  const pass = await gnuPacker(context as unknown as CaptureContext, [root]).again(asked)
  pass.stream.resume()
  await new Promise((resolve) => pass.stream.once('end', resolve))
  return pass.finish()
}

test('a tar that ended well is believed', async () => {
  expect(await ended('compress=0 tar=0')).toMatchObject({ changed: [], vanished: [], sockets: [] })
})

test.each(['tar=2 compress=0', 'tar=137 compress=0', 'tar=141 compress=0', 'tar=0 compress=1'])(
  'a tar that ended with %s fails the source',
  async (status) => {
    await expect(ended(status)).rejects.toMatchObject({ code: 'capture-failed' })
  },
)

test.each(['compress=0', 'tar=0'])('where a stage is not reported (%s) the source fails', async (status) => {
  await expect(ended(status)).rejects.toMatchObject({ code: 'capture-failed' })
})

test("tar's 1 says that files changed, and its 2 is good where files went away", async () => {
  expect(
    await ended('compress=0 tar=1', 'tar: ./data/redis/b\\303\\244: file changed as we read it\n'),
  ).toMatchObject({ changed: ['redis/b\xc3\xa4'] })
  const gone = 'tar: ./data/redis/b: Cannot stat: No such file or directory\n'
  expect(await ended('compress=0 tar=2', gone)).toMatchObject({ vanished: ['redis/b'] })
  await expect(ended('compress=0 tar=127')).rejects.toMatchObject({ code: 'no-tar' })
})

test('what tar may not read is told, unless it came all the same or something else went wrong, too', async () => {
  const denied = 'tar: ./data/redis/c: Cannot open: Permission denied\n'
  expect(await ended('compress=0 tar=2', denied, ['redis/c'])).toMatchObject({ unreadable: ['redis/c'] })
  await expect(ended('compress=0 tar=2', denied)).rejects.toMatchObject({ message: 'nobody can be asked' })
  const broken = `${denied}tar: ./data/redis/d: Input/output error\n`
  await expect(ended('compress=0 tar=2', broken, ['redis/c'])).rejects.toMatchObject({
    code: 'capture-failed',
  })
})
