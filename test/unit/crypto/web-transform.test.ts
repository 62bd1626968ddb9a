import { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { webTransform } from '../../../src/crypto/web-transform.ts'
import type { Convert } from '../../../src/crypto/web-transform.ts'

const unhandled: unknown[] = []
const note = (error: unknown) => unhandled.push(error)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

/** Adds a byte in front of each chunk, some time later. */
const marking: Convert = async (input) =>
  input.pipeThrough(
    new TransformStream({
      transform: async (chunk, controller) => {
        await new Promise((resolve) => setImmediate(resolve))
        controller.enqueue(Buffer.concat([Buffer.from('|'), chunk]))
      },
      flush: (controller) => controller.enqueue(Buffer.from('.')),
    }),
  )

function* chunks(count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(50_000, 97)
}
const sink = (fail = Infinity) => {
  let seen = 0
  return new Writable({
    write: (_chunk, _encoding, done) =>
      void setImmediate(() => done(++seen > fail ? new Error('sink') : null)),
  })
}

test('everything comes through, in large pieces, with what the conversion adds at the end', async () => {
  const output = await buffer(Readable.from(chunks(40)).pipe(await webTransform(marking)))
  expect(output.toString().replaceAll('|', '')).toBe(`${'a'.repeat(2_000_000)}.`)
  expect(output.toString().split('|').length).toBeLessThan(20)
  expect((await buffer(Readable.from([]).pipe(await webTransform(marking)))).toString()).toBe('.')
})

test('a source, a sink or a signal that ends it early ends all of it with that error', async () => {
  const failing = async function* () {
    yield* chunks(10)
    throw new Error('source')
  }
  await expect(pipeline(Readable.from(failing()), await webTransform(marking), sink())).rejects.toThrow(
    'source',
  )
  await expect(pipeline(Readable.from(chunks(1e6)), await webTransform(marking), sink(3))).rejects.toThrow(
    'sink',
  )
  const controller = new AbortController()
  const running = pipeline(Readable.from(chunks(1e6)), await webTransform(marking), sink(), {
    signal: controller.signal,
  })
  setTimeout(() => controller.abort(), 20)
  await expect(running).rejects.toThrow('aborted')
  const unused = await webTransform(marking)
  unused.destroy()
})

test('a conversion that fails ends it with its error', async () => {
  const broken: Convert = async (input) =>
    input.pipeThrough(
      new TransformStream({
        transform: () => {
          throw new Error('conversion')
        },
      }),
    )
  await expect(pipeline(Readable.from(chunks(100)), await webTransform(broken), sink())).rejects.toThrow(
    'conversion',
  )
})

test('output that came after its input was taken still holds the writer back: memory once grew to 800 MB', async () => {
  const stream = await webTransform(marking)
  let accepted = 0
  const write = async () => {
    for (const chunk of chunks(1000)) {
      await new Promise<void>((resolve) => stream.write(chunk, () => resolve()))
      accepted += chunk.length
    }
  }
  const writing = write()
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(accepted).toBeLessThan(2_000_000)
  stream.resume()
  await writing
})
