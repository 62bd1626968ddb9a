import type { Fault } from '../fault.ts'

export const files: readonly Fault[] = [
  {
    name: 'vanished-root',
    what: 'a source that vanished while it was read is a good backup of nothing',
    file: 'src/sources/files/files-capture.ts',
    find: `if (lost !== undefined) throw vanishedSource(lost)`,
    replace: `if (lost?.name === '') throw vanishedSource(lost)`,
    tests: ['test/unit/sources/files/vanished-root.test.ts'],
  },
  {
    name: 'links-not-reread',
    what: 'the hard links of a file that is read again are left behind',
    file: 'src/sources/files/tally.ts',
    find: `[name, ...(this.#links.get(name) ?? [])]`,
    replace: `[name]`,
    tests: ['test/unit/sources/files/races.test.ts'],
  },
  {
    name: 'listing-cut',
    what: 'a list of files that is cut is whole',
    file: 'src/sources/tree/scan-parser.ts',
    find: `if (!this.#ended || this.#rest.length > 0) {`,
    replace: `if (this.#rest.length > MOST_FIELD) {`,
    tests: ['test/unit/sources/files/scan.test.ts'],
  },
]
