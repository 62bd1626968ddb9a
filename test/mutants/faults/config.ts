import type { Fault } from '../fault.ts'

export const config: readonly Fault[] = [
  {
    name: 'secret-literal',
    what: 'a secret may stand in the config in plain',
    file: 'src/config/contract.ts',
    find: `        .strictObject({ keychain: z.string().regex(`,
    replace: `        .looseObject({ keychain: z.string().optional() })
        .or(z.string())
        .describe('x'),
      z
        .strictObject({ keychain: z.string().regex(`,
    tests: ['test/unit/config/problems.test.ts'],
  },
  {
    name: 'unknown-keys',
    what: 'an unknown key is read over',
    file: 'src/config/schema.ts',
    find: `const sshObject = z.strictObject({`,
    replace: `const sshObject = z.looseObject({`,
    tests: ['test/unit/config/problems.test.ts'],
  },
  {
    name: 'same-path-twice',
    what: 'a path is captured, and restored, twice',
    file: 'src/config/rules.ts',
    find: `      if (first === undefined) seen.set(key, path)
      else`,
    replace: `      if (first === undefined || key !== '') seen.set(key, path)
      else`,
    tests: ['test/unit/config/problems.test.ts'],
  },
  {
    name: 'pause-own-redis',
    what: 'the Redis of a source is paused while it is captured',
    file: 'src/config/rules.ts',
    find: `(pause as unknown[]).some((one) => own.includes(one)) && stop === undefined`,
    replace: `pause.length > 1000 && stop === undefined`,
    tests: ['test/unit/config/problems.test.ts'],
  },
  {
    name: 'several-hosts',
    what: 'a bare command means the first of several hosts',
    file: 'src/config/select-hosts.ts',
    find: `if (config.hosts.length === 1) return config.hosts`,
    replace: `if (config.hosts.length >= 1) return config.hosts`,
    tests: ['test/unit/config/select-hosts.test.ts'],
  },
  {
    name: 'choices-mix',
    what: '--all and a host name go together',
    file: 'src/config/select-hosts.ts',
    find: `.filter(Boolean).length > 1)`,
    replace: `.filter(Boolean).length > 3)`,
    tests: ['test/unit/config/select-hosts.test.ts'],
  },
  {
    name: 'passphrase-and-recipients',
    what: 'recipients are given up for a passphrase without a word',
    file: 'src/config/rules.ts',
    find: `  if (passphrase === undefined) return []
  return ['recipients'`,
    replace: `  if (passphrase !== null) return []
  return ['recipients'`,
    tests: ['test/unit/config/problems.test.ts'],
  },
  {
    name: 'defaults-win',
    what: "a host's own key does not win over the defaults",
    file: 'src/config/merge-defaults.ts',
    find: `const merged = { ...defaults, ...host }`,
    replace: `const merged = { ...host, ...defaults }`,
    tests: ['test/unit/config/normalise.test.ts'],
  },
]
