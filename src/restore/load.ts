import type { SourceConfig } from '../model/config.ts'
import type { LoadableSource, LoadTarget, RestoreContext } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { loaderSecret } from './loader-secrets.ts'
import type { SourceToRestore } from './plan.ts'
import type { RestoreLoad } from './server/driver.ts'
import { openPlain } from './stage.ts'

/** A source that is loaded into a server that runs. */
export interface SourceToLoad {
  readonly source: SourceToRestore
  readonly config: SourceConfig
  readonly loadable: LoadableSource
  readonly loads: readonly RestoreLoad[]
}

/** Those of the sources that are loaded, with what the server's script renames them by. */
export async function sourcesToLoad(
  sources: readonly SourceToRestore[],
  context: RestoreContext,
): Promise<readonly SourceToLoad[]> {
  const found: SourceToLoad[] = []
  for (const source of sources) {
    const { restore } = kindOf(source.source.kind)
    if (restore.by !== 'load') continue
    const { config } = source
    const loadable = await restore.open()
    const secret = await loaderSecret(config, loadable, context.secret, context.signal)
    const loads: RestoreLoad[] = []
    for (const load of source.loads)
      loads.push({ ...load, loader: await loadable.loader(context, config, load), secret })
    found.push({ source, config, loadable, loads })
  }
  return found
}

/**
 * Loads a source beside what is there. Until the driver switches it, it replaces nothing; when the driver fails or is lost
 * before that, the server's script removes it again. Throws as the kind does, and DamageError.
 */
export async function loadBeside(
  { source, config, loadable }: SourceToLoad,
  context: RestoreContext,
  dependencies: RestoreDependencies,
  step: (text: string) => void,
): Promise<{ readonly entries: number; readonly bytes: number }> {
  let bytes = 0
  for (const target of source.loads) {
    step(`loading ${target.target} of ${source.source.name} beside what is there`)
    const needed = source.archives.find(({ archive }) => archive.file === target.archive)
    if (needed === undefined) throw new Error(`${target.archive} was not looked for`)
    await loadWhole(await openPlain(needed, dependencies), (dump) =>
      loadable.load(context, config, source.source.facts, target, dump),
    )
    bytes += needed.archive.plainBytes
  }
  return { entries: source.loads.length, bytes }
}

type Dump = Parameters<LoadableSource['load']>[4]

/** A dump is proven to be the captured one only when its end was read. */
async function loadWhole(dump: Dump, load: (dump: Dump) => Promise<void>): Promise<void> {
  try {
    await load(dump)
    if (!dump.readableEnded) throw new Error('a dump was not read to its end')
  } finally {
    dump.destroy()
  }
}

/** Names that were there are kept elsewhere from the switch on. */
export function replacesByLoad(loads: readonly LoadTarget[]): boolean {
  return loads.some(({ exists }) => exists)
}
