import type { Fault } from '../fault.ts'

export const secrets: readonly Fault[] = [
  {
    name: 'secret-file-readable',
    what: 'a secret file that others can read is used',
    file: 'src/secrets/secret-file.ts',
    find: `if ((mode & 0o077) !== 0)`,
    replace: `if ((mode & 0o077) === 0o1000)`,
    tests: ['test/unit/secrets/resolve.test.ts'],
  },
  {
    name: 'secret-command-status',
    what: 'what a failed command printed is a secret',
    file: 'src/secrets/secret-command.ts',
    find: `    if (status !== 0)
`,
    replace: `    if (status === 999)
`,
    tests: ['test/unit/secrets/resolve.test.ts'],
  },
  {
    name: 'log-secret',
    what: 'a secret is logged',
    file: 'src/report/redact.ts',
    find: `  if (value instanceof Secret) return MASK
`,
    replace: `  if (value instanceof Secret) return value.reveal()
`,
    tests: ['test/unit/report/log.test.ts'],
  },
  {
    name: 'log-secret-by-name',
    what: 'a password that is plain text is logged',
    file: 'src/report/redact.ts',
    find: `SECRET_KEYS.test(key) && item`,
    replace: `key === '' && item`,
    tests: ['test/unit/report/log.test.ts'],
  },
]
