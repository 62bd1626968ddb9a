import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HeadAndTail } from '../../../src/remote/tail-buffer.ts'

it('keeps everything within the limit, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 5 }), (chunks) => {
      const kept = new HeadAndTail(1000)
      for (const chunk of chunks) kept.push(Buffer.from(chunk))
      expect(kept.toString()).toBe(chunks.join(''))
    }),
  )
})

it('keeps the first quarter and the last words, and says what is missing', () => {
  const kept = new HeadAndTail(40)
  for (let index = 0; index < 100; index += 1) kept.push(Buffer.from(String(index).padStart(4, '0')))
  const text = kept.toString()
  expect(text.startsWith('00000001')).toBe(true)
  expect(text.endsWith('0096009700980099')).toBe(true)
  expect(text).toContain('… 360 bytes left out …')
})
