import { setTimeout as sleep } from 'node:timers/promises'
import { SourceError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import type { LoadableSource, LoadTarget, RestoreContext } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { RestoreDependencies } from './dependencies.ts'
import { loaderSecret } from './loader-secrets.ts'
import type { SourceToRestore } from './plan.ts'
import { loadsOf } from './preflight.ts'
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

/** ms within which a server must answer that was just started. It may have to make its data first. */
const ANSWERS_WITHIN = 180_000
const ASKED_EVERY = 300

/**
 * As {@link sourcesToLoad}, when the services with data were just started: what their servers have is known by then. Waits
 * until they answer. Throws SourceError where one does not, or where it lacks what a dump needs.
 */
export async function sourcesToLoadLate(
  sources: readonly SourceToRestore[],
  id: string,
  context: RestoreContext,
): Promise<readonly SourceToLoad[]> {
  const found: SourceToRestore[] = []
  for (const source of sources) {
    const { name, kind, facts } = source.source
    const { restore } = kindOf(kind)
    if (restore.by !== 'load') continue
    const loadable = await restore.open()
    await untilItAnswers(loadable, context, source.config)
    const { findings } = await loadable.preflight(context, source.config, facts)
    const lack = findings.find(({ outcome }) => outcome === 'failed')
    if (lack !== undefined)
      throw new SourceError(lack.check, lack.message, { source: name, next: lack.next ?? 'Correct that.' })
    found.push({ ...source, loads: await loadsOf(source, { strategy: 'replace' }, id, context) })
  }
  return await sourcesToLoad(found, context)
}

async function untilItAnswers(
  loadable: LoadableSource,
  context: RestoreContext,
  config: SourceConfig,
): Promise<void> {
  for (let tries = ANSWERS_WITHIN / ASKED_EVERY; ; tries -= 1) {
    try {
      await loadable.look(context, config)
      return
    } catch (error) {
      if (!(error instanceof SourceError) || error.code !== loadable.downCode || tries <= 0) throw error
      await sleep(ASKED_EVERY, undefined, { signal: context.signal })
    }
  }
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
