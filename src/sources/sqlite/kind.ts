import { z } from 'zod'
import { normaliseRemotePath, remotePath, sourcePathProblem, type Fields } from '../../config/contract.ts'
import { UsageError } from '../../errors.ts'
import type { Kind, KindConfig } from '../kind.ts'
import type { SqliteSourceConfig } from './config.ts'
import { sqliteDiscovery } from './propose.ts'
import { sqliteFacts, type SqliteFacts } from './facts.ts'
import { isPattern } from './patterns.ts'
import { checks, checksProblems } from '../checks.ts'

/** SQLite databases, as others know them. */
export const sqliteKind: Kind<SqliteSourceConfig, SqliteFacts> = {
  name: 'sqlite',
  title: 'SQLite',
  config: config(),
  // Where there are patterns, only its server knows which they are.
  paths: ({ paths, patterns }) => (patterns.length === 0 ? paths : []),
  movedTo: (source, paths) => ({ ...source, paths, patterns: [] }),
  describe: ({ paths, patterns }) => `SQLite ${[...paths, ...patterns].join(' ')}`,
  ofPaths: (name, paths) => ({ kind: 'sqlite', name, paths, patterns: [], checks: [] }),
  beside: (config, path) => {
    const problem = sourcePathProblem(path)
    if (problem === undefined) return { ...config, paths: [normaliseRemotePath(path)], patterns: [] }
    throw new UsageError(`--target: the path of a database ${problem}`)
  },
  mergedInto: (config, match) => ({ ...config, merge: match }),
  isWhole: true,
  besides: ['-wal', '-shm', '-journal'],
  facts: sqliteFacts,
  discovery: sqliteDiscovery,
  capture: async () => (await import('./index.ts')).sqliteSource,
  restore: { by: 'place', open: async () => (await import('./restore.ts')).restorableSqlite },
  merge: async () => (await import('./merge/merging.ts')).mergingSqlite,
}

function config(): KindConfig<SqliteSourceConfig> {
  const shape = {
    path: remotePath().optional().describe('The database file, relative to the deployment, or absolute.'),
    paths: z
      .array(remotePath())
      .min(1, 'name at least one path')
      .optional()
      .describe(
        'Several database files, or patterns with *, ** and ?: of the files that match, those with the header of SQLite.',
      ),
    checks,
  }
  return {
    description: 'SQLite databases.',
    shape,
    rules: (source: Fields) => {
      const { path, paths } = source
      if (path !== undefined && paths !== undefined)
        return [{ path: ['paths'], at: 'key', message: 'write path or paths, not both' }]
      if (typeof path === 'string' && isPattern(path)) {
        const suggestion = `Write paths: [${JSON.stringify(path)}]`
        return [{ path: ['path'], at: 'value', message: 'is one database, and no pattern', suggestion }]
      }
      if (path !== undefined || paths !== undefined)
        return checksProblems(source, path !== undefined, 'path: prisma/dev.db')
      const suggestion = 'Add `path: prisma/dev.db` or `paths: ["**/*.db"]`'
      return [{ path: ['path'], at: 'key', message: 'is required', suggestion }]
    },
    places: ({ path, paths }: Fields) => [
      ...(typeof path === 'string' ? [{ path: ['path'], text: path }] : []),
      ...(Array.isArray(paths) ? (paths as unknown[]) : []).flatMap((text, index) =>
        typeof text === 'string' ? [{ path: ['paths', index], text }] : [],
      ),
    ],
    normalise: ({ path = '', paths, checks: queries = [] }: z.output<z.ZodObject<typeof shape>>, common) => {
      const all = (paths ?? [path]).map(normaliseRemotePath)
      return {
        ...common,
        kind: 'sqlite',
        paths: all.filter((one) => !isPattern(one)),
        patterns: all.filter(isPattern),
        checks: queries,
      }
    },
  }
}
