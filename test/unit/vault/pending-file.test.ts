import { randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { OpenPendingFile } from '../../../src/vault/pending-file.ts'
import { temporaryDirectory } from './fixtures.ts'

afterEach(() => vi.restoreAllMocks())

/** What all open files have in common; Node does not export it. */
async function fileHandles(path: string): Promise<FileHandle> {
  await using handle = await open(path, 'w')
  return Object.getPrototypeOf(handle) as FileHandle
}

test.each([1, 7, 1000, 1001])(
  'a disk that takes %i bytes at a time gets all of them, in order',
  async (most) => {
    await using directory = await temporaryDirectory()
    const handles = await fileHandles(join(directory.path, 'x'))
    vi.spyOn(handles, 'writev').mockImplementation(async function (this: FileHandle, buffers) {
      const bytes = Buffer.concat(buffers as Uint8Array[]).subarray(0, most)
      const { bytesWritten } = await this.write(bytes, 0, bytes.length)
      return { bytesWritten, buffers }
    })
    const path = join(directory.path, 'file')
    const file = await OpenPendingFile.create(path)
    const chunks = Array.from({ length: 7 }, () => randomBytes(1000))
    // All of them wait while the first is on its way: the rest comes as one write.
    await pipeline(Readable.from(chunks), file.stream)
    expect(await file.finish()).toEqual({ bytes: 7000 })
    expect((await readFile(path)).equals(Buffer.concat(chunks))).toBe(true)
  },
)
