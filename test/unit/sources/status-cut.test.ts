import { expect, test } from 'vitest'
import { parseStreamStatus, streamNonce } from '../../../src/sources/stream-status.ts'

test('a status line that is cut anywhere is none, also in the middle of a number', () => {
  const nonce = streamNonce()
  for (const statuses of ['tar=0 zstd=0', 'tar=141 zstd=127', 'tar=0 zstd=10']) {
    const line = `tar: a message\nrelay-backup:${nonce}:status ${statuses}\n`
    expect(parseStreamStatus(line, nonce)).toBeDefined()
    for (let length = 0; length < line.length; length += 1) {
      expect(parseStreamStatus(line.slice(0, length), nonce), `${length}`).toBeUndefined()
    }
  }
})
