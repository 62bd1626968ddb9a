import type { Fault } from '../fault.ts'

export const remote: readonly Fault[] = [
  {
    name: 'sessions-not-claimed',
    what: 'a server that opens too few sessions is found when something was locked already',
    file: 'src/runs/visit.ts',
    find: `await remote.allow(AT_ONCE, signal)`,
    replace: `await remote.allow(1, signal)`,
    tests: ['test/integration/sessions-needed.test.ts'],
  },
  {
    name: 'hashed-name-beginning',
    what: 'a hashed host name is compared by its beginning',
    file: 'src/remote/known-hosts.ts',
    find: `hashName(name, Buffer.from(salt, 'base64')) === hash`,
    replace: `hashName(name, Buffer.from(salt, 'base64'))[0] === hash?.[0]`,
    tests: ['test/unit/remote/hashed-names.test.ts'],
  },
  {
    name: 'revoked-key',
    what: 'a revoked host key is taken',
    file: 'src/remote/known-hosts.ts',
    find: `  if (revoked !== undefined) return { status: 'revoked', entry: revoked }
`,
    replace: ``,
    tests: ['test/unit/remote/known-hosts.test.ts'],
  },
  {
    name: 'changed-key',
    what: 'a changed host key is taken for an unknown one',
    file: 'src/remote/known-hosts.ts',
    find: `  if (entry !== undefined) return { status: 'changed', entry }
`,
    replace: ``,
    tests: ['test/unit/remote/known-hosts.test.ts'],
  },
  {
    name: 'port-ignored',
    what: 'a key of another port of the host is taken',
    file: 'src/remote/known-hosts.ts',
    find: `return port === DEFAULT_PORT ? name :`,
    replace: `return port > 0 ? name :`,
    tests: ['test/unit/remote/known-hosts.test.ts'],
  },
  {
    name: 'negated-pattern',
    what: 'a pattern that is excluded matches',
    file: 'src/remote/openssh/patterns.ts',
    find: `pattern.startsWith('!') && matchesPattern(pattern.slice(1), name)`,
    replace: `pattern.startsWith('!!') && matchesPattern(pattern.slice(1), name)`,
    tests: ['test/unit/remote/known-hosts.test.ts'],
  },
  {
    name: 'lease-beats-once',
    what: 'a lease beats only once',
    file: 'src/remote/lease.ts',
    find: `const timer = setInterval(beat, options.beatEvery ?? BEAT_EVERY)`,
    replace: `const timer = setTimeout(() => {}, options.beatEvery ?? BEAT_EVERY)`,
    tests: ['test/unit/remote/lease-beats.test.ts'],
  },
  {
    name: 'lease-beats-rarely',
    what: 'a lease beats more rarely than the script waits',
    file: 'src/remote/lease.ts',
    find: `const BEAT_EVERY = 5000`,
    replace: `const BEAT_EVERY = 70_000`,
    tests: ['test/unit/remote/lease-beats.test.ts'],
  },
  {
    name: 'lease-silence',
    what: 'a script goes on for ever without its client',
    file: 'src/remote/scripts/lib/lease.sh',
    find: `      [ "$lease_silent" -le "$lease_limit" ] || exit 91
`,
    replace: `      :
`,
    tests: ['test/integration/remote-lease.test.ts'],
  },
  {
    name: 'status-cut',
    what: 'a status line that is cut in the middle of a number is read',
    file: 'src/sources/stream-status.ts',
    find: `  if (end === -1) return undefined
`,
    replace: ``,
    tests: ['test/unit/sources/status-cut.test.ts'],
  },
  {
    name: 'status-missing',
    what: 'a stage that was not reported counts as good',
    file: 'src/sources/stream-status.ts',
    find: `status: status.statuses.get(stage) ?? 255`,
    replace: `status: status.statuses.get(stage) ?? 0`,
    tests: ['test/unit/sources/stream-status.test.ts'],
  },
  {
    name: 'status-forged',
    what: 'a file name forges the status line',
    file: 'src/sources/stream-status.ts',
    find: `const prefix = \`relay-backup:\${nonce}:status\``,
    replace: `const prefix = stderr.match(/relay-backup:[^:]*:status/)?.[0] ?? nonce`,
    tests: ['test/unit/sources/stream-status.test.ts'],
  },
  {
    name: 'status-of-stage',
    what: 'the exit status of a stage is not told',
    file: 'src/remote/scripts/lib/pipeline.sh',
    find: `then stage_status=0; else stage_status=$?; fi`,
    replace: `then stage_status=0; else stage_status=0; fi`,
    tests: ['test/unit/sources/stream-status.test.ts'],
  },
]
