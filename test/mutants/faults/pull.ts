import type { Fault } from '../fault.ts'

export const pull: readonly Fault[] = [
  {
    name: 'rotation-over-damage',
    what: 'rotation goes on though a snapshot that stays is damaged',
    file: 'src/pull/rotate.ts',
    find: `  if (damage !== undefined) return { ...report(plan, snapshots), paused: damage, damaged: true }
`,
    replace: ``,
    tests: ['test/unit/retention/rotate-damage.test.ts'],
  },
  {
    name: 'rotation-while-paused',
    what: 'rotation goes on while it is paused',
    file: 'src/pull/rotate.ts',
    find: `  if (paused !== undefined) return { ...report(plan, snapshots), paused }
`,
    replace: ``,
    tests: ['test/unit/retention/rotate-damage.test.ts'],
  },
  {
    name: 'rotation-of-what-goes',
    what: 'damage of what goes holds rotation up',
    file: 'src/pull/rotate.ts',
    find: `filter(({ action }) => action !== 'remove').map(({ id }) => id)`,
    replace: `map(({ id }) => id)`,
    tests: ['test/unit/retention/rotate-damage.test.ts'],
  },
  {
    name: 'rotation-after-partial',
    what: 'a pull in part rotates good snapshots away',
    file: 'src/pull/pull-host.ts',
    find: `if (!options.rotate || !snapshot.manifest.complete) return undefined`,
    replace: `if (!options.rotate) return undefined`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'partial-is-complete',
    what: 'a snapshot with a failed source counts as complete',
    file: 'src/pull/pull-host.ts',
    find: `selection.everything && failed.length === 0`,
    replace: `selection.everything`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'selection-is-complete',
    what: 'a snapshot of some sources counts as complete',
    file: 'src/pull/pull-host.ts',
    find: `selection.everything && failed.length === 0`,
    replace: `failed.length === 0`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'pause-after-commit',
    what: 'a snapshot that shrank is committed, and rotation is not paused',
    file: 'src/pull/pull-host.ts',
    find: `  if (shrunk.length > 0) {`,
    replace: `  if (shrunk.length < 0) {`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'open-journal-pulled',
    what: 'a deployment between two states is captured',
    file: 'src/pull/pull-host.ts',
    find: `  if (probe.openJournals.length === 0) return
`,
    replace: `  if (probe.openJournals.length >= 0) return
`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'partial-told-done',
    what: 'a pull with a failed source is told as done',
    file: 'src/pull/pull-host.ts',
    find: `outcome: failed ? 'partial' : 'done'`,
    replace: `outcome: 'done'`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'interrupted-commits',
    what: 'an interrupted pull commits what came',
    file: 'src/pull/pull-host.ts',
    find: `  signal.throwIfAborted()
  const findings`,
    replace: `  const findings`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'locked-in-history',
    what: 'a run that never held the lock writes history',
    file: 'src/pull/pull-host.ts',
    find: `report.outcome !== 'locked' && report`,
    replace: `report`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'fresh-partial',
    what: 'a snapshot in part lets the next pull be skipped',
    file: 'src/pull/freshness.ts',
    find: `const ages = completePulls(snapshots)`,
    replace: `const ages = snapshots`,
    tests: ['test/integration/pull-host.test.ts'],
  },
  {
    name: 'streams-side-by-side',
    what: 'archives stream at the same time',
    file: 'src/pull/capture-sources.ts',
    find: `const turns = pLimit(1)`,
    replace: `const turns = pLimit(3)`,
    tests: ['test/integration/capture-sources.test.ts'],
  },
  {
    name: 'looked-one-by-one',
    what: 'sources are looked at one after another',
    file: 'src/pull/capture-sources.ts',
    find: `const SIDE_BY_SIDE = 4`,
    replace: `const SIDE_BY_SIDE = 1`,
    tests: ['test/integration/capture-sources.test.ts'],
  },
  {
    name: 'vault-failure-is-a-source',
    what: 'a full vault is told as the failure of one source',
    file: 'src/pull/capture-sources.ts',
    find: `error instanceof RelayError && !(error instanceof VaultError) && !signal.aborted`,
    replace: `error instanceof RelayError && !signal.aborted`,
    tests: ['test/integration/capture-sources.test.ts'],
  },
  {
    name: 'lost-connection-once',
    what: 'a lost connection fails the source at hand only',
    file: 'src/pull/capture-sources.ts',
    find: `(lost ? sources : group).filter`,
    replace: `group.slice(0, 1).filter`,
    tests: ['test/integration/capture-sources.test.ts'],
  },
  {
    name: 'exit-5-as-1',
    what: 'a locked host is told by exit 1',
    file: 'src/commands/pull.ts',
    find: `  if (outcomes.size === 1 && outcomes.has('locked')) return ExitCode.locked
`,
    replace: ``,
    tests: ['test/unit/commands/pull-exit-code.test.ts'],
  },
  {
    name: 'exit-3-as-0',
    what: 'a pull in part is told by exit 0',
    file: 'src/commands/pull.ts',
    find: `if (good === hosts.length) return`,
    replace: `if (good > 0) return`,
    tests: ['test/unit/commands/pull-exit-code.test.ts'],
  },
  {
    name: 'shrinkage-share',
    what: 'a source may lose nearly all before anybody looks',
    file: 'src/pull/shrinkage.ts',
    find: `const REMAINDER = 0.1`,
    replace: `const REMAINDER = 0.001`,
    tests: ['test/unit/pull/shrinkage.test.ts'],
  },
  {
    name: 'shrinkage-gone',
    what: 'a source that is gone is not told of',
    file: 'src/pull/shrinkage.ts',
    find: `    if (current === undefined) {
      return [
`,
    replace: `    if (current === undefined) {
      if (old.name !== '') return []
      return [
`,
    tests: ['test/unit/pull/shrinkage.test.ts'],
  },
  {
    name: 'shrinkage-stopped',
    what: 'a Redis that answers no more is not told of',
    file: 'src/pull/shrinkage.ts',
    find: `wasRunning(old.facts) && !wasRunning(current.facts)`,
    replace: `wasRunning(old.facts) && !wasRunning(old.facts)`,
    tests: ['test/unit/pull/shrinkage.test.ts'],
  },
]
