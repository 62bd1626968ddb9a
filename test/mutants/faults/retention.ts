import type { Fault } from '../fault.ts'

export const retention: readonly Fault[] = [
  {
    name: 'schemas-push-out',
    what: 'snapshots of schemas alone push out full ones',
    file: 'src/retention/judge.ts',
    find: `const full = all.filter(({ complete }) => complete)`,
    replace: `const full = all`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'newest-may-go',
    what: 'the newest complete snapshot goes when no rule keeps it',
    file: 'src/retention/judge.ts',
    find: `if (reasons.get(newest.id)?.length === 0) keep(`,
    replace: `if (reasons.get(newest.id)?.length === -1) keep(`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'partial-counts',
    what: 'a snapshot that is not complete uses up a place',
    file: 'src/retention/judge.ts',
    find: `const full = all.filter(({ complete }) => complete)`,
    replace: `const full = counted(
    snapshots.map((one) => ({ ...one, complete: true })),
    now,
  )`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'safety-counts',
    what: 'safety and cutover snapshots use up places',
    file: 'src/retention/judge.ts',
    find: `one.purpose === 'pull' &&
        (one.complete`,
    replace: `(one.complete`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'future-counts',
    what: 'a snapshot dated in the future uses up a place',
    file: 'src/retention/judge.ts',
    find: `one.time.getTime() <= now.getTime(),`,
    replace: `one.time.getTime() > 0,`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'retired-counts',
    what: 'a snapshot that was dropped before uses up a place',
    file: 'src/retention/judge.ts',
    find: `        one.retired !== true &&
`,
    replace: ``,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'held-counts',
    what: 'a snapshot that the ledger does not know uses up a place',
    file: 'src/retention/judge.ts',
    find: `        one.held === undefined &&
`,
    replace: ``,
    tests: ['test/unit/retention/retention.test.ts', 'test/unit/retention/rotate.test.ts'],
  },
  {
    name: 'damaged-counts',
    what: 'a damaged snapshot that was given up uses up a place',
    file: 'src/retention/judge.ts',
    find: `candidates.filter(({ damaged }) => damaged !== true)`,
    replace: `candidates.filter(() => true)`,
    tests: ['test/unit/retention/rotate-damage.test.ts'],
  },
  {
    name: 'last-off-by-one',
    what: 'one snapshot less stays than `last` says',
    file: 'src/retention/judge.ts',
    find: `.slice(0, policy.last ?? 0)`,
    replace: `.slice(0, (policy.last ?? 1) - 1)`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'within-from-now',
    what: '`within` is measured from now: a server that was away loses its history',
    file: 'src/retention/judge.ts',
    find: `const oldest = newest.time.getTime() - (policy.within ?? 0)
  for`,
    replace: `const oldest = Date.now() - (policy.within ?? 0)
  for`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'no-rule-removes',
    what: 'a policy without a rule keeps nothing',
    file: 'src/retention/judge.ts',
    find: `  if (!hasRules(policy)) {
    for (const one of candidates) keep(one, 'the policy has no rule')
    return reasons
  }
`,
    replace: ``,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'period-keeps-oldest',
    what: 'of each period not the newest stays',
    file: 'src/retention/judge.ts',
    find: `    if (period !== last) kept.push(`,
    replace: `    if (period !== last && one !== candidates[0]) kept.push(`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'safety-without-later',
    what: 'a safety snapshot goes though no good run came after it',
    file: 'src/retention/judge.ts',
    find: `if (laterPull || laterRestore) return drop(`,
    replace: `if (laterPull || laterRestore || age !== '') return drop(`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'parents-removed',
    what: 'what a kept incremental needs is removed',
    file: 'src/retention/apply.ts',
    find: `if (first === undefined) return { id, action: 'remove'`,
    replace: `if (first === undefined || first !== '') return { id, action: 'remove'`,
    tests: ['test/unit/retention/retention.test.ts', 'test/unit/retention/rotate.test.ts'],
  },
  {
    name: 'source-parents-removed',
    what: "archives that another snapshot's incremental needs are removed",
    file: 'src/retention/per-source.ts',
    find: `(dropped.has(id) || retired.has(id)) && !needed.has(id)`,
    replace: `dropped.has(id) || retired.has(id)`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
  {
    name: 'iso-week',
    what: 'weeks begin on Sunday',
    file: 'src/retention/periods.ts',
    find: `((time.getUTCDay() + 6) % 7)`,
    replace: `time.getUTCDay()`,
    tests: ['test/unit/retention/retention.test.ts'],
  },
]
