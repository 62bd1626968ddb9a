import { createReadStream } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SourceError } from '../../../src/errors.ts'
import { chooseCompression } from '../../../src/sources/compression-choice.ts'
import type { CapturableSource, CaptureContext } from '../../../src/sources/contract.ts'
import type { ToyConfig, ToyFacts } from './kind.ts'

/** Where a table lies; the toy's client is this process. */
export function tablePath(
  { probe }: Pick<CaptureContext, 'probe'>,
  { home }: ToyConfig,
  table: string,
): string {
  return join(probe.deployment ?? '/', home, table)
}

/** Throws where the toy asks for another password than the config's. */
export async function unlock(
  context: Pick<CaptureContext, 'probe' | 'secret' | 'signal'>,
  config: ToyConfig,
): Promise<void> {
  const asked = await readFile(tablePath(context, config, '.password'), 'utf8').catch(() => undefined)
  const { password } = config
  const sent = password && (await context.secret(password, context.signal)).reveal()
  if (asked !== undefined && asked !== sent)
    throw new SourceError('toy-password', 'the toy does not know this password', { next: 'Correct it.' })
}

async function look(context: CaptureContext, config: ToyConfig): Promise<void> {
  for (const name of ['.up', config.table]) {
    await access(tablePath(context, config, name)).catch(() => {
      throw new SourceError('toy-down', `the toy has no ${name}`, { next: 'Start it.' })
    })
  }
  await unlock(context, config)
}

export const toySource: CapturableSource<ToyConfig> = {
  look,
  capture: async (context, config) => {
    await look(context, config)
    const facts = { kind: 'toy', lines: 0 } as const
    const counted: { lines: number } = { lines: 0 }
    const { store, level } = chooseCompression(context.compression, context.probe)
    return {
      archives: async function* () {
        const stream = createReadStream(tablePath(context, config, config.table))
        yield await Promise.resolve({
          part: config.table,
          format: 'stream' as const,
          extension: 'toy',
          input: { stream, format: 'stream' as const, wire: 'none' as const, store, level },
          observer: {
            content: {
              write: (chunk: Buffer) => void (counted.lines += chunk.filter((byte) => byte === 10).length),
              end: () => undefined,
            },
          },
          finish: () => Promise.resolve(),
          abort: () => stream.destroy(),
        })
      },
      finish: () =>
        Promise.resolve({
          facts: { ...facts, ...counted } satisfies ToyFacts,
          warnings: [],
          amendments: new Map(),
          absolutePrefixes: [],
          roots: [],
        }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  },
}
