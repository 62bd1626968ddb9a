import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import { homeDirectory } from '../model/home.ts'
import { snapshotTime } from '../model/names.ts'
import { formatAge } from '../report/format.ts'
import { typeGroup } from '../model/snapshot.ts'
import { completePulls, type Snapshot, type Vault } from '../vault/contract.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'

/** What may be typed, with a word about it. */
export interface Choice {
  readonly value: string
  readonly about: string
}

/** What may stand where the next word is typed, as far as the declarations tell it. */
export interface Wanted {
  /** What was begun there; may be empty. */
  readonly word: string
  /** Words that can stand there. */
  readonly choices: readonly Choice[]
  /** What else can: `host`, `snapshot`, `file`, as the declaration calls it, several with `|`. */
  readonly kind: string
  /** Stands before each in the same word: `--host=`. */
  readonly before: string
  /** What was typed before it: the values of flags, by their name, and the arguments. */
  readonly flags: ReadonlyMap<string, string>
  readonly args: readonly string[]
}

/** A person waits for the shell. What is not known by then is not offered. */
const PATIENCE_MS = 2000

/**
 * The hidden command that the scripts of `completion` ask. The first line is `files` or `directories`, which the shell
 * knows, or `words`; each line after it is a word, a tab, and what is said about it. It reads the config and the vault,
 * connects to nothing, asks nothing, and has no errors: what can't be read is not offered.
 */
export async function complete(context: CommandContext, wanted: Wanted): Promise<CommandOutcome> {
  const files = FILES.get(wanted.kind)
  const known =
    files === undefined
      ? await Promise.race([
          namesOf(context, wanted).catch(() => []),
          delay<Choice[]>(PATIENCE_MS, [], { signal: context.signal }).catch(() => []),
        ])
      : []
  const choices = [...wanted.choices, ...known].filter(({ value }) => !/\s/.test(value))
  return {
    exitCode: ExitCode.done,
    text: [
      files ?? 'words',
      ...choices.map(({ value, about }) => `${wanted.before}${value}\t${about.replace(/\s+/g, ' ')}`),
    ].join('\n'),
    verbatim: true,
    json: choices,
  }
}

/** By what the declarations call a value. */
const FILES: ReadonlyMap<string, 'files' | 'directories'> = new Map([
  ['file', 'files'],
  ['key', 'files'],
  ['dir', 'directories'],
])

type Names = (config: Config, wanted: Wanted, now: Date) => Promise<Choice[]>

const NAMES: Readonly<Record<string, Names>> = {
  host: (config) => Promise.resolve(hosts(config)),
  from: (config) => Promise.resolve(hosts(config)),
  to: (config) => Promise.resolve(hosts(config)),
  schedule: (config) =>
    Promise.resolve(config.schedules.map(({ name, run }) => ({ value: name, about: run.join(' ') }))),
  tag: (config) =>
    Promise.resolve(
      [...new Set(config.hosts.flatMap(({ tags }) => tags))].map((value) => ({ value, about: '' })),
    ),
  channel: ({ notify }) =>
    Promise.resolve(notify.map(({ name, on }) => ({ value: name, about: on.join(' ') }))),
  snapshot: snapshots,
  'host|snapshot': async (config, wanted, now) => [
    ...hosts(config),
    ...(await snapshots(config, wanted, now)),
  ],
  source: sources,
  // A source, or with the colon a path in it.
  what: async (config, wanted) =>
    (await sources(config, wanted)).map((one) => ({ ...one, value: `${one.value}:` })),
  'source:path': async (config, wanted) =>
    (await sources(config, wanted)).map((one) => ({ ...one, value: `${one.value}:` })),
}

async function namesOf(context: CommandContext, wanted: Wanted): Promise<Choice[]> {
  const names = Object.hasOwn(NAMES, wanted.kind) ? NAMES[wanted.kind] : undefined
  if (names === undefined) return []
  const { env, cwd } = context
  // The shell hands words over as they are typed.
  const file = wanted.flags.get('config')?.replace(/^~(?=\/)/, () => homeDirectory(env))
  return names(await loadConfig({ file, cwd, env }), wanted, context.now())
}

const hosts = (config: Config): Choice[] =>
  config.hosts.map(({ name, tags }) => ({ value: name, about: tags.join(' ') }))

async function snapshots(config: Config, { word }: Wanted, now: Date): Promise<Choice[]> {
  const vault = await openExistingVault(config.vault)
  if (vault === undefined) return []
  const [begun, id] = word.split('/', 2)
  const names = (await vault.hosts()).filter((host) => id === undefined || host === begun)
  const perHost = await Promise.all(
    names.map(async (host): Promise<Choice[]> => {
      const found = await vault.snapshots(host)
      const latest = completePulls(found).at(-1)
      return [
        ...(latest === undefined ? [] : [{ value: `${host}/latest`, about: aboutOf(latest, now) }]),
        ...found.toReversed().map((one) => ({ value: `${host}/${one.id}`, about: aboutOf(one, now) })),
      ]
    }),
  )
  return perHost.flat()
}

function aboutOf({ id, manifest }: Snapshot, now: Date): string {
  const age = formatAge(now.getTime() - snapshotTime(id).getTime())
  return [
    age,
    ...(manifest.purpose === 'pull' ? [] : [manifest.purpose]),
    ...(manifest.complete ? [] : [typeGroup(manifest) ?? 'partial']),
  ].join(', ')
}

/** Of the hosts that the command line names, or of all. A snapshot may have sources that the config has not. */
async function sources(config: Config, { args, flags }: Wanted): Promise<Choice[]> {
  const said = [...args, ...flags.values()].map((word) => word.split('/', 1)[0] ?? '')
  const named = config.hosts.filter(({ name }) => said.includes(name))
  const kinds = new Map(
    (named.length === 0 ? config.hosts : named).flatMap((host) =>
      host.sources.map(({ name, kind }) => [name, kind] as const),
    ),
  )
  const vault = await openExistingVault(config.vault)
  for (const host of vault === undefined ? [] : await hostsOf(vault, args)) {
    for (const { manifest } of (await vault?.snapshots(host)) ?? []) {
      for (const { name, kind } of manifest.sources) kinds.set(name, kind)
    }
  }
  return [...kinds].map(([value, about]) => ({ value, about }))
}

/** Hosts of the vault of which a snapshot is named. */
async function hostsOf(vault: Vault, args: readonly string[]): Promise<string[]> {
  return (await vault.hosts()).filter((host) => args.some((word) => word.startsWith(`${host}/`)))
}
