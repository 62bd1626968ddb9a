import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { ClosedEarlyError, pump } from '../../../src/archive/pump.ts'

function take(source: Readable): Promise<string> {
  let text = ''
  return pump(
    source,
    (chunk) => {
      text += chunk.toString()
      return undefined
    },
    async () => undefined,
  ).then(() => text)
}

test('a stream that emits close from an earlier listener of end has ended', async () => {
  const source = new Readable({ read: () => undefined, autoDestroy: false })
  source.once('end', () => source.emit('close'))
  source.push(Buffer.from('all of it'))
  source.push(null)
  expect(await take(source)).toBe('all of it')
})

test('a stream that is closed before its end fails', async () => {
  const source = new Readable({ read: () => undefined })
  source.push(Buffer.from('a part'))
  setImmediate(() => source.destroy())
  await expect(take(source)).rejects.toBeInstanceOf(ClosedEarlyError)
})
