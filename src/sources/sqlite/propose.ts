import { posix } from 'node:path'
import { asWritten } from '../../model/discovery.ts'
import type { KindDiscovery } from '../kind.ts'

/** How every database begins (sqlite.org/fileformat.html, section 1.3). */
const BEGINS = 'SQLite format 3'
/** Names that databases usually have. */
const NAMES = ['*.db', '*.sqlite', '*.sqlite3', '*.db3']

/** Database files in the deployment, all in one source. */
export const sqliteDiscovery: KindDiscovery = {
  files: NAMES.map((name) => ({ name, begins: BEGINS })),
  propose: (found) => {
    const files = found.files.filter(({ begins }) => begins === BEGINS)
    const [first, second] = files
    if (first === undefined) return []
    const written = files.map(({ path }) => asWritten(found, path))
    return [
      {
        name: second === undefined ? posix.parse(first.path).name : 'databases',
        config: { kind: 'sqlite', ...(second === undefined ? { path: written[0] } : { paths: written }) },
        // What lies beside a database (-wal, -shm, -journal) belongs to it, and to no other source.
        paths: files.flatMap(({ path }) => [path, `${path}-*`]),
        bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      },
    ]
  },
}
