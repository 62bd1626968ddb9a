import type { Fault } from '../fault.ts'

export const migrate: readonly Fault[] = [
  {
    name: 'finish-unsure',
    what: 'a new server goes on though nobody knows whether the old one was given up',
    file: 'src/migrate/verdict.ts',
    find: `    if (from === 'gone') return { action: 'finish' }`,
    replace: `    if (from !== undefined) return { action: 'finish' }`,
    tests: ['test/unit/migrate/verdict.test.ts'],
  },
  {
    name: 'nobody-serves',
    what: 'the new server is undone without the old one',
    file: 'src/migrate/verdict.ts',
    find: `  if (to.how === 'done') return { action: 'refuse', why: 'without the old server nobody would serve' }
`,
    replace: ``,
    tests: ['test/unit/migrate/verdict.test.ts'],
  },
  {
    name: 'kept-undone',
    what: 'a migration that was handed over is undone',
    file: 'src/migrate/verdict.ts',
    find: `      if (to.state === 'kept') return { action: 'finish' }
`,
    replace: ``,
    tests: ['test/unit/migrate/verdict.test.ts'],
  },
  {
    name: 'older-redis',
    what: 'a Redis that is older than the data is taken',
    file: 'src/migrate/engine-versions.ts',
    find: `!isOlder(to.version, from.version)`,
    replace: `!isOlder(from.version, from.version)`,
    tests: ['test/unit/migrate/plan.test.ts'],
  },
  {
    name: 'two-apps',
    what: 'a rehearsal starts all services',
    file: 'src/migrate/plan.ts',
    find: `  return services.to.manager === 'command' ? 'none' : 'data'`,
    replace: `  return services.to.manager === 'command' ? 'none' : 'all'`,
    tests: ['test/unit/migrate/plan.test.ts'],
  },
  {
    name: 'replaced-unsaid',
    what: 'what is replaced on the new server is not in the plan',
    file: 'src/migrate/plan.ts',
    find: `filter(({ type }) => type !== 'absent')`,
    replace: `filter(({ type }) => type === 'absent')`,
    tests: ['test/unit/migrate/plan.test.ts'],
  },
  {
    name: 'alias-keeps-health',
    what: 'the health of an alias that is migrated to may be answered by the other server',
    file: 'src/config/ad-hoc-host.ts',
    find: `health !== undefined && isLoopback(new URL(health.url))`,
    replace: `health !== undefined`,
    tests: ['test/unit/config/select-hosts.test.ts'],
  },
]
