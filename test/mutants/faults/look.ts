import type { Fault } from '../fault.ts'

const EXTRACT = ['test/unit/look/extract.test.ts']

export const look: readonly Fault[] = [
  {
    name: 'extract-dot-dot',
    what: 'a member whose name goes up is extracted',
    file: 'src/look/plan-extract.ts',
    find: `part === '..' || part === '.' || part === ''`,
    replace: `part === '.' || part === ''`,
    tests: EXTRACT,
  },
  {
    name: 'extract-below-link',
    what: 'a member below a symbolic link of the archive is extracted',
    file: 'src/look/plan-extract.ts',
    find: `if (links.has(member.slice(0, slash)))`,
    replace: `if (member === '' && links.has(member.slice(0, slash)))`,
    tests: EXTRACT,
  },
  {
    name: 'extract-through-link',
    what: 'a file is written through a link that lies there',
    file: 'src/look/destination.ts',
    find: `if (!(await lstat(path)).isDirectory()) throw inTheWay(relative)`,
    replace: `if (!(await lstat(path)).isDirectory()) return`,
    tests: EXTRACT,
  },
  {
    name: 'extract-finish-through-link',
    what: 'a directory behind a link that lies there gets a mode and a time',
    file: 'src/look/destination.ts',
    find: `if (!this.#directories.has(relative.toString('latin1'))) return`,
    replace: ``,
    tests: EXTRACT,
  },
  {
    name: 'extract-unproven',
    what: 'a file gets its name whatever its hash is',
    file: 'src/look/extract.ts',
    find: `if (!proven) throw differs(at, member)`,
    replace: `if (!proven && member === '') throw differs(at, member)`,
    tests: EXTRACT,
  },
  {
    name: 'extract-overwrites',
    what: 'what lies there already is replaced unasked',
    file: 'src/look/extract.ts',
    find: `if (!isEmpty && !request.overwrite)`,
    replace: `if (!isEmpty && request.to === '')`,
    tests: EXTRACT,
  },
  {
    name: 'windows-device',
    what: 'a name that Windows takes for a device is extracted as it is',
    file: 'src/look/local-names.ts',
    find: `return isDevice(name) ?`,
    replace: `return isDevice(name.slice(1)) ?`,
    tests: ['test/unit/look/names.test.ts'],
  },
  {
    name: 'stripped-comes-back',
    what: 'a retired snapshot that lost a part comes back',
    file: 'src/prune/rotate.ts',
    find: `snapshot.retired && snapshot.removedFiles.size > 0`,
    replace: `snapshot.retired && snapshot.removedFiles.size < 0`,
    tests: ['test/unit/retention/rotate.test.ts'],
  },
]
