import type { Fault } from '../fault.ts'

export const model: readonly Fault[] = [
  {
    name: 'secret-json',
    what: 'a secret is revealed by JSON.stringify',
    file: 'src/model/secret.ts',
    find: `  toJSON(): string {
    return '[secret]'`,
    replace: `  toJSON(): string {
    return this.#value`,
    tests: ['test/unit/model/secret.test.ts'],
  },
  {
    name: 'secret-text',
    what: 'a secret is revealed by a template',
    file: 'src/model/secret.ts',
    find: `  toString(): string {
    return '[secret]'`,
    replace: `  toString(): string {
    return this.#value`,
    tests: ['test/unit/model/secret.test.ts'],
  },
  {
    name: 'secret-inspect',
    what: 'a secret is revealed by util.inspect',
    file: 'src/model/secret.ts',
    find: `  [inspect.custom](): string {
    return '[secret]'`,
    replace: `  [inspect.custom](): string {
    return this.#value`,
    tests: ['test/unit/model/secret.test.ts'],
  },
  {
    name: 'file-name-slash',
    what: 'a host name may leave the vault',
    file: 'src/model/names.ts',
    find: `return /[a-z0-9_-]/.test(char) ? char`,
    replace: `return /[a-z0-9_/-]/.test(char) ? char`,
    tests: ['test/unit/model/names.test.ts'],
  },
  {
    name: 'bidi-printed',
    what: 'a file name may turn the line around',
    file: 'src/model/path-bytes.ts',
    find: `\\u202a-\\u202e`,
    replace: `\\u202a`,
    tests: ['test/unit/model/path-bytes.test.ts'],
  },
  {
    name: 'control-printed',
    what: 'a file name may drive the terminal',
    file: 'src/model/path-bytes.ts',
    find: `[\\x00-\\x1f\\x7f-\\x9f`,
    replace: `[\\x00-\\x1a\\x7f-\\x9f`,
    tests: ['test/unit/model/path-bytes.test.ts'],
  },
  {
    name: 'name-not-utf8',
    what: 'a name that is no UTF-8 is stored as another',
    file: 'src/model/path-bytes.ts',
    find: `    return { base64: Buffer.from(path).toString('base64') }`,
    replace: `    return Buffer.from(path).toString('utf8')`,
    tests: ['test/unit/model/path-bytes.test.ts'],
  },
  {
    name: 'duration-unit',
    what: 'a day has an hour',
    file: 'src/model/units.ts',
    find: `  d: 86_400_000,`,
    replace: `  d: 3_600_000,`,
    tests: ['test/unit/model/units.test.ts'],
  },
]
