import module from 'node:module'
import { privateCache } from './private-cache.ts'

/** The way in from `bin/`. What is compiled once starts faster the next time. Never throws. */
export async function start(argv: readonly string[]): Promise<void> {
  try {
    const cache = privateCache('compiled')
    if (cache !== undefined) module.enableCompileCache(cache)
  } catch {
    // Without a home to write to, it only starts slower.
  }
  const { main } = await import('./main.ts')
  await main(argv)
}
