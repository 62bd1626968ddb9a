import type { SourceConfig } from '../../model/config.ts'
import type { ListingDraft, ListingHeader, StoredListing } from '../../state/contract.ts'
import type { Snapshot, VaultProblem } from '../../vault/contract.ts'
import { captureContext, type PullSourceContext } from '../capture-archives.ts'
import type { PullDependencies } from '../dependencies.ts'
import { chooseMode, definitionOf, type PullMode } from './mode.ts'

/** The archives of a chain are read and hashed again when that was last done so long ago. ms */
const REHASH_AFTER = 7 * 86_400_000

/** The chain that an incremental would build on, looked at and judged. */
export interface Chain {
  readonly mode: PullMode
  readonly last: StoredListing | undefined
  /** The next listing's header but for what depends on the mode. */
  readonly draft: Omit<ListingDraft, 'incrementals' | 'checkedAt'>
  /** `ID/FILE` of every archive that an incremental builds on, and how the file looked when its content was proven. */
  readonly looks: ReadonlyMap<string, string>
  /** The rest of it, after a full and after an incremental. */
  readonly afresh: Pick<ListingDraft, 'incrementals' | 'checkedAt'>
  readonly goingOn: Pick<ListingDraft, 'incrementals' | 'checkedAt'>
}

/** Opens the last listing and checks what it refers to. */
export async function lookAtChain(
  context: PullSourceContext,
  config: SourceConfig,
  full: boolean,
  dependencies: PullDependencies,
): Promise<Chain> {
  const { vault, listings, encryptor, now } = dependencies
  const { host, pending, probe } = context
  const names = { vault: vault.id, host: host.name, source: config.name }
  const last = await listings.open(names.vault, names.host, names.source)
  const draft = {
    ...names,
    snapshot: pending.id,
    definition: definitionOf(config, probe.deployment),
    passphrase: (await encryptor.passphraseTag?.(vault.id)) ?? null,
  }
  const snapshots = await vault.snapshots(host.name, { retired: true })
  const isDue = last !== undefined && !isRecent(last.header, now())
  const { recipients } = encryptor
  const look = { full, fullEvery: host.fullEvery, last: last?.header, ...draft, recipients, snapshots }
  // A pull that is full for another reason needs no check of a chain on which it does not build. Only a lost chain
  // needs an explanation.
  const early = chooseMode({ ...look, problems: [] })
  const isUsed = early.mode === 'incremental'
  const looks = new Map<string, string>()
  const problems =
    last !== undefined && (isUsed || early.because === 'lost')
      ? await checkChain(context, config, last.header, { snapshots, isUsed, isDue, looks }, dependencies)
      : []
  const mode = chooseMode({ ...look, problems })
  if (mode.mode === 'full' && mode.because === 'damaged') {
    captureContext(context, config, dependencies).notice({
      code: 'chain-damaged',
      message: `all of it is captured, not just what changed: ${mode.reason}`,
      next: `See all of it with: relay-backup verify ${host.name}`,
    })
  }
  const today = now().toISOString()
  return {
    mode,
    last,
    draft,
    looks,
    afresh: { incrementals: 0, checkedAt: today },
    goingOn: {
      incrementals: (last?.header.incrementals ?? 0) + 1,
      checkedAt: isDue ? today : (last?.header.checkedAt ?? today),
    },
  }
}

/** A date in the future does not count: the clock was wrong then or is wrong now. */
function isRecent({ checkedAt }: ListingHeader, now: Date): boolean {
  const age = now.getTime() - Date.parse(checkedAt)
  return age >= 0 && age < REHASH_AFTER
}

/**
 * Presence and size of every archive that an incremental would need. With `isUsed` those that do not look as they did
 * when their content was last proven are hashed, and all of them when that `isDue`; `looks` takes what was proven.
 */
async function checkChain(
  context: PullSourceContext,
  config: SourceConfig,
  { chain, looks: before = {} }: ListingHeader,
  how: {
    readonly snapshots: readonly Snapshot[]
    readonly isUsed: boolean
    readonly isDue: boolean
    readonly looks: Map<string, string>
  },
  dependencies: PullDependencies,
): Promise<VaultProblem[]> {
  const wanted = new Set(chain)
  const files = how.snapshots
    .filter(({ id }) => wanted.has(id))
    .flatMap(({ manifest }) => manifest.sources.filter(({ name }) => name === config.name))
    .flatMap(({ archives }) => archives.map(({ file }) => file))
  if (how.isUsed && how.isDue) {
    captureContext(context, config, dependencies).step('checking the archives that an incremental builds on')
  }
  return await dependencies.vault.check(context.host.name, {
    snapshots: chain,
    files: new Set(files),
    hashes: how.isUsed,
    ...(how.isDue ? {} : { known: new Map(Object.entries(before)) }),
    onProven: (name, look) => how.looks.set(name, look),
    signal: context.signal,
  })
}
