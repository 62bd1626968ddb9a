import { posix } from 'node:path'
import {
  asWritten,
  isWithin,
  type Discovery,
  type FilePattern,
  type FoundFile,
  type ProposedSource,
} from '../../model/discovery.ts'
import type { KindDiscovery } from '../kind.ts'

/** Names by which people call directories of such content; a look at the content itself would take a person. */
const LOGS = /^logs?$/
const DATA =
  /^(data|uploads?|storage|media|files|content|public-uploads|attachments|database|db|prisma|instance|var)$/
const SETTINGS = /^(config|conf|conf\.d|nginx|caddy|certs?|ssl)$/
/** Files that an app is made from again. */
const SETTING =
  /^(\.env(\.[\w.-]+)?|(docker-)?compose(\.[\w.-]+)?\.ya?ml|Caddyfile|[\w.-]+\.(conf|ini|toml|cnf|ya?ml))$/
/** Those of tools, which come with the source code. */
const TOOLING = /^(\.env\.(example|sample)|pnpm-lock\.yaml|pnpm-workspace\.yaml|\.[\w.-]+\.(ya?ml|toml))$/
/** Is there again after a checkout or a build. */
const MADE_AGAIN =
  /^(\.|node_modules$|dist$|build$|target$|vendor$|venv$|__pycache__$|src$|test|docs?$|scripts?$|bin$|public$)/
/** The system's own, which containers are given. */
const SYSTEM =
  /^\/(etc\/(localtime|timezone|passwd|group|hosts|resolv\.conf|ssl)|proc|sys|dev|run|var\/run|usr|bin|lib|tmp)(\/|$)/

/** What tells of a store that an app keeps in files, and that is torn when it is copied meanwhile: LevelDB and RocksDB, LMDB. */
const STORES: readonly FilePattern[] = [
  { name: 'CURRENT', begins: 'MANIFEST-' },
  { name: 'data.mdb', begins: undefined },
]

/** Directories and files of the deployment by their names, and what containers mount. */
export const filesDiscovery: KindDiscovery = {
  takesTheRest: true,
  files: STORES,
  propose: (found, taken) => {
    const free = (path: string): boolean => !taken.some((one) => isWithin(path, one))
    const directories = [...named(found, LOGS), ...named(found, DATA)].filter(free)
    const mounted = mounts(found).filter(
      ({ path }) => free(path) && !directories.some((one) => isWithin(path, one)),
    )
    const settings = [
      ...found.entries
        .filter(({ name, isDirectory }) =>
          isDirectory ? SETTINGS.test(name) : SETTING.test(name) && !TOOLING.test(name),
        )
        .map(({ name }) => posix.join(found.deployment, name)),
      ...mounted.filter(({ isSetting }) => isSetting).map(({ path }) => path),
    ].filter((path, at, all) => free(path) && !all.some((one, other) => other < at && isWithin(path, one)))
    const wanted = outermost([
      ...directories,
      ...mounted.filter(({ isSetting }) => !isSetting).map(({ path }) => path),
    ])
    const trees = wanted.filter((path) => !settings.some((one) => isWithin(path, one)))
    const doubtful = found.entries
      .filter(({ name, isDirectory }) => isDirectory && !MADE_AGAIN.test(name))
      .map(({ name }) => posix.join(found.deployment, name))
      .filter(
        (path) =>
          free(path) && ![...trees, ...settings].some((one) => isWithin(path, one) || isWithin(one, path)),
      )
    return [
      ...trees.map((path) => tree(found, path, taken)),
      ...(settings.length === 0 ? [] : [settingsSource(found, settings)]),
      ...doubtful.map((path) => ({ ...tree(found, path, taken), isDoubtful: true })),
    ]
  },
}

function named({ deployment, entries }: Discovery, pattern: RegExp): string[] {
  return entries
    .filter(({ name, isDirectory }) => isDirectory && pattern.test(name))
    .map(({ name }) => posix.join(deployment, name))
}

/** What containers see of the server. A single file, and a directory that they only read, are settings. */
function mounts({
  deployment,
  containers,
}: Discovery): { readonly path: string; readonly isSetting: boolean }[] {
  const seen = new Map<string, boolean>()
  for (const { source, volume, writable } of containers.flatMap((container) => container.mounts)) {
    if (volume !== undefined || SYSTEM.test(source) || isWithin(deployment, source)) continue
    seen.set(source, (seen.get(source) ?? true) && (!writable || /\.\w+$/.test(source)))
  }
  return [...seen].map(([path, isSetting]) => ({ path, isSetting }))
}

function tree(found: Discovery, path: string, taken: readonly string[]): ProposedSource {
  const isLogs = LOGS.test(posix.basename(path))
  const inside = taken.filter((one) => one !== path && isWithin(one, path))
  const exclude = inside.map((one) => `/${escaped(posix.relative(path, one))}`)
  const holds = found.files.some((file) => isStore(file) && isWithin(file.path, path))
  return {
    name: posix.basename(path),
    config: {
      kind: 'files',
      path: asWritten(found, path),
      ...(exclude.length === 0 ? {} : { exclude }),
    },
    paths: [path],
    bytes: bytesAt(found, path),
    ...(holds && !isLogs ? { isRestless: true } : {}),
  }
}

function isStore({ path }: FoundFile): boolean {
  return STORES.some(({ name }) => posix.basename(path) === name)
}

function settingsSource(found: Discovery, paths: readonly string[]): ProposedSource {
  const sizes = paths.map((path) => bytesAt(found, path))
  return {
    name: 'config',
    config: { kind: 'files', paths: paths.map((path) => asWritten(found, path)) },
    paths,
    bytes: sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    note: 'what the app is made from again; .env is taken as it is, and never read here',
  }
}

function bytesAt({ deployment, entries, sizes }: Discovery, path: string): number | undefined {
  return sizes.get(path) ?? entries.find(({ name }) => posix.join(deployment, name) === path)?.bytes
}

/** Paths that lie in none of the others. */
function outermost(paths: readonly string[]): string[] {
  const all = [...new Set(paths)]
  return all.filter((path) => !all.some((one) => one !== path && isWithin(path, one)))
}

/** As a pattern that means just this name. */
function escaped(path: string): string {
  const rest = path.endsWith('-*') ? '*' : ''
  return path.slice(0, path.length - rest.length).replaceAll(/[\\*?[\]!#]/g, '\\$&') + rest
}
