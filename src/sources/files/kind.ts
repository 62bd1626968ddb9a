import { z } from 'zod'
import { excludePatterns, normaliseRemotePath, remotePath, type Fields } from '../../config/contract.ts'
import type { Kind, KindConfig } from '../kind.ts'
import type { FilesSourceConfig } from './config.ts'
import { filesDiscovery } from './propose.ts'
import { filesFacts, type FilesFacts } from './facts.ts'

/** Trees of files, as others know them. */
export const filesKind: Kind<FilesSourceConfig, FilesFacts> = {
  name: 'files',
  title: 'tree of files',
  config: config(),
  paths: ({ paths }) => paths,
  movedTo: (source, paths) => ({ ...source, paths }),
  describe: ({ paths, exclude }) => `${paths.join(' ')}${describeExcluded(exclude)}`,
  exclude: ({ exclude }) => exclude,
  ofPaths: (name, paths) => ({ kind: 'files', name, paths, exclude: [] }),
  facts: filesFacts,
  discovery: filesDiscovery,
  capture: async () => (await import('./index.ts')).filesSource,
  restore: { by: 'place', open: async () => (await import('./restore.ts')).restorableFiles },
}

/** For a plan. */
export function describeExcluded(exclude: readonly string[]): string {
  return exclude.length === 0 ? '' : `, without ${exclude.join(' ')}`
}

/** Those of the default sources that are files: of the app's deployment, as it is by default. */
export const defaultFiles: readonly FilesSourceConfig[] = [
  { name: 'logs', kind: 'files', paths: ['logs'], exclude: [] },
  { name: 'data', kind: 'files', paths: ['data'], exclude: [] },
  { name: 'config', kind: 'files', paths: ['.env', 'docker-compose.yml'], exclude: [] },
]

function config(): KindConfig<FilesSourceConfig> {
  const shape = {
    path: remotePath().optional().describe('One directory or file, relative to the deployment, or absolute.'),
    paths: z
      .array(remotePath())
      .min(1, 'name at least one path')
      .optional()
      .describe('Several directories or files, instead of `path`.'),
    exclude: excludePatterns(),
    sqlite: z
      .literal('asFiles')
      .optional()
      .describe('SQLite databases that are written to are not copied by SQLite, but read as any file.'),
  }
  return {
    description: 'Files and directories.',
    shape,
    rules: ({ path, paths }: Fields) => {
      if (path !== undefined && paths !== undefined)
        return [{ path: ['paths'], at: 'key', message: 'write path or paths, not both' }]
      if (path !== undefined || paths !== undefined) return []
      return [
        {
          path: ['path'],
          at: 'key',
          message: 'is required',
          suggestion: 'Add `path: logs` or `paths: [a, b]`',
        },
      ]
    },
    places: ({ path, paths }: Fields) => [
      ...(typeof path === 'string' ? [{ path: ['path'], text: path }] : []),
      ...(Array.isArray(paths) ? (paths as unknown[]) : []).flatMap((text, index) =>
        typeof text === 'string' ? [{ path: ['paths', index], text }] : [],
      ),
    ],
    normalise: ({ path = '', paths, exclude, sqlite }: z.output<z.ZodObject<typeof shape>>, common) => ({
      ...common,
      kind: 'files',
      paths: (paths ?? [path]).map(normaliseRemotePath),
      exclude: exclude ?? [],
      ...(sqlite === undefined ? {} : { sqlite }),
    }),
  }
}
