import type { SourceKind } from '../model/snapshot.ts'
import type { CapturableSource, RestorableSource } from './contract.ts'

/** The source of a kind, loaded when it is first asked for. */
export async function sourceOf(kind: SourceKind): Promise<CapturableSource> {
  switch (kind) {
    case 'files':
      return (await import('./files/index.ts')).filesSource as CapturableSource
    case 'volume':
      // Once it is found, it is a tree of files.
      return { ...(await import('./files/index.ts')).filesSource, kind } as CapturableSource
    case 'redis':
      return (await import('./redis/index.ts')).redisSource as CapturableSource
  }
}

/** How a source of a kind is put back, loaded when it is first asked for. */
export async function restorableOf(kind: SourceKind): Promise<RestorableSource> {
  switch (kind) {
    case 'files':
      return (await import('./files/restore.ts')).restorableFiles as RestorableSource
    case 'volume':
      return { ...(await import('./files/restore.ts')).restorableFiles, kind } as RestorableSource
    case 'redis':
      return (await import('./redis/restore/restore.ts')).restorableRedis as RestorableSource
  }
}
