import { numbers } from './random.ts'

const LEVELS = ['INFO', 'INFO', 'INFO', 'WARN', 'DEBUG', 'ERROR']
const PARTS = ['relay', 'scheduler', 'account', 'redis', 'http', 'usage', 'pricing']
const WORDS =
  'request accepted token refreshed upstream answered after retry session expired rate limit reached cache hit miss stored key removed stream closed client gone model switched'.split(
    ' ',
  )

/**
 * Lines as an app logs them, the same ones for the same seed: rising times, random ids and a small vocabulary.
 * `zstd -3` makes a quarter of it.
 */
export function logLines(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes)
  const next = numbers(seed)
  const phrases = Array.from({ length: 512 }, () =>
    Array.from({ length: 4 + next(8) }, () => WORDS[next(WORDS.length)]).join(' '),
  )
  let time = Date.UTC(2025, 0, 1) + next(86_400) * 1000
  let end = 0
  while (end < bytes) {
    time += next(900)
    const id = next(2 ** 31).toString(16)
    const line = `${time} [${LEVELS[next(LEVELS.length)]}] ${PARTS[next(PARTS.length)]}: ${phrases[next(512)]} id=${id}${next(2 ** 31).toString(16)} took ${next(4000)} ms\n`
    end += out.write(line, end, 'latin1')
  }
  return out
}
