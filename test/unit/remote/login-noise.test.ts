import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { skipLoginNoise } from '../../../src/remote/login-noise.ts'

const MARK = 'relay-backup:begin\n'

async function through(text: string, size: number): Promise<string> {
  const stream = new Readable({ read: () => {} })
  skipLoginNoise(stream)
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) stream.push(bytes.subarray(at, at + size))
  stream.push(null)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe.each([1, 7, 1_000_000])('what a login shell prints, in chunks of %i bytes', (size) => {
  it.each(['', 'Welcome!\n', 'no line break', 'relay-backup:begi', 'x'.repeat(5000)])(
    'is dropped up to the mark: %s',
    async (noise) => {
      expect(await through(`${noise}${MARK}ours\n${MARK}stays`, size)).toBe(`ours\n${MARK}stays`)
      expect(await through(`${noise}${MARK}`, size)).toBe('')
    },
  )

  it('passes when no mark comes, or not in time', async () => {
    expect(await through('This account is not available.\n', size)).toBe('This account is not available.\n')
    const long = 'x'.repeat(100_000)
    const all = `${long}${MARK}ours`
    expect(await through(all, Math.max(size, 7))).toBe(size > 100_000 ? 'ours' : all)
  })
})
