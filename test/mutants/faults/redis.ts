import type { Fault } from '../fault.ts'

export const redis: readonly Fault[] = [
  {
    name: 'both-without-aof',
    what: 'of both forms the AOF is ignored where the next start loads it',
    file: 'src/sources/redis/restore/plan.ts',
    find: `  return appendonly ? 'aof' : 'rdb'
}`,
    replace: `  return 'rdb'
}`,
    tests: ['test/unit/sources/redis/choose-form.test.ts'],
  },
  {
    name: 'stopped-loads',
    what: 'of a stopped server the form that it would load is ignored',
    file: 'src/sources/redis/restore/plan.ts',
    find: `  if (facts.stopped) return facts.loads
`,
    replace: ``,
    tests: ['test/unit/sources/redis/choose-form.test.ts'],
  },
  {
    name: 'keys-fewer',
    what: 'keys that are missing are no difference',
    file: 'src/sources/redis/restore/compare.ts',
    find: `have.keys - have.expires === want.keys - want.expires`,
    replace: `have.keys - have.expires <= want.keys - want.expires`,
    tests: ['test/unit/sources/redis/restore-compare.test.ts'],
  },
  {
    name: 'keys-more',
    what: 'keys that nobody captured are no difference',
    file: 'src/sources/redis/restore/compare.ts',
    find: `have.expires <= want.expires && have.keys`,
    replace: `have.keys`,
    tests: ['test/unit/sources/redis/restore-compare.test.ts'],
  },
  {
    name: 'auth-refused',
    what: 'a password that is refused is read over',
    file: 'src/sources/redis/talk/cli-connection.ts',
    find: `|| this.#denied.startsWith('WRONGPASS'))`,
    replace: `|| this.#denied === 'WRONGPASS')`,
    tests: ['test/integration/redis-tls.test.ts'],
  },
  {
    name: 'loading-saved',
    what: 'a server that still loads is captured',
    file: 'src/sources/redis/talk/inspect.ts',
    find: `isLoading || info.get('loading') === '1' ?`,
    replace: `ping === undefined ?`,
    tests: ['test/integration/redis-capture.test.ts'],
  },
  {
    name: 'rdb-mark-kept',
    what: 'what a diskless server sends behind an RDB is kept',
    file: 'src/sources/redis/rdb/cut.ts',
    find: `const kept = end === undefined ? chunk :`,
    replace: `const kept = end === undefined || end > 0 ? chunk :`,
    tests: ['test/unit/sources/redis/rdb-cut.test.ts'],
  },
  {
    name: 'rdb-crc',
    what: "an RDB's checksum is not compared",
    file: 'src/sources/redis/rdb/reader.ts',
    find: `if (low !== this.#crc.low || high !== this.#crc.high) {`,
    replace: `if (low !== this.#crc.low && high !== low) {`,
    tests: ['test/unit/sources/redis/rdb-reader.test.ts'],
  },
  {
    name: 'save-not-judged',
    what: 'a save that failed counts',
    file: 'src/sources/redis/capture/save.ts',
    find: `if (fields.get('rdb_last_bgsave_status') !== 'ok') throw`,
    replace: `if (fields.size === 0) throw`,
    tests: ['test/integration/redis-capture.test.ts'],
  },
  {
    name: 'tar-status',
    what: "the exit status of a tree's tar is ignored",
    file: 'src/sources/tree/gnu-packer.ts',
    find: `  if (failed.stage !== 'tar') return false`,
    replace: `  if (failed.stage === 'tar') return true`,
    tests: ['test/unit/sources/files/tar-status.test.ts'],
  },
]
