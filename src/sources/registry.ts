import type { SourceKind } from '../model/snapshot.ts'
import type { CapturableSource } from './contract.ts'

/** The source of a kind, loaded when it is first asked for. */
export async function sourceOf(kind: SourceKind): Promise<CapturableSource> {
  switch (kind) {
    case 'files':
      return (await import('./files/index.ts')).filesSource as CapturableSource
    case 'redis':
      return (await import('./redis/index.ts')).redisSource as CapturableSource
  }
}
