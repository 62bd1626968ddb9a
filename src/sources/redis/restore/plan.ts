import { SourceError } from '../../../errors.ts'
import type { RedisFacts } from '../../../model/facts.ts'
import { parseAofManifest } from '../capture/aof-manifest.ts'
import type { AofPart } from '../capture/aof-manifest.ts'
import type { ScriptRecord } from '../talk/records.ts'
import type { RedisStart } from '../start/next-start.ts'
import { atLeast } from '../../../model/version-order.ts'

/** What lies in a staged Redis directory. */
export interface StagedFiles {
  readonly files: ReadonlySet<string>
  readonly directories: ReadonlySet<string>
  /** Symlinks and the like. */
  readonly others: ReadonlySet<string>
  /** Multi-part AOFs by the directory they are in. */
  readonly manifests: ReadonlyMap<string, { readonly name: string; readonly text: string }>
  /** Files beside a manifest: `appendonlydir/appendonly.aof.1.base.rdb`. */
  readonly parts: ReadonlySet<string>
}

/** Reads what `sources/redis/restore-staged` prints. */
export function stagedFiles(records: readonly ScriptRecord[]): StagedFiles {
  const named = (kind: string): ReadonlySet<string> =>
    new Set(records.flatMap(([name, value]) => (name === kind ? [value] : [])))
  const manifests = new Map<string, { name: string; text: string }>()
  for (const [at, [kind, value]] of records.entries()) {
    const next = records[at + 1]
    if (kind !== 'manifest' || next?.[0] !== 'text') continue
    const directory = value.slice(0, value.indexOf('/'))
    if (manifests.has(directory)) throw unusable(`${directory} has several manifests`)
    manifests.set(directory, { name: value.slice(directory.length + 1), text: next[1] })
  }
  return {
    files: named('file'),
    directories: named('directory'),
    others: named('other'),
    manifests,
    parts: named('part'),
  }
}

/** Where everything is gathered while it is arranged; no name that Redis uses. */
const WORK = '.relay-backup-redis'

/** How many databases the server that only loads takes: more than anybody uses, and cheap. */
const SCRATCH_DATABASES = 1024

/** A step of `sources/redis/restore-arrange`, with its arguments. */
export type Step = readonly [
  verb: 'mkdir' | 'move' | 'append' | 'write' | 'remove' | 'load',
  ...args: readonly string[],
]

/** Names of one persistence form in a directory. */
interface Names {
  readonly dbfilename: string
  readonly appenddirname: string
  readonly appendfilename: string
}

type FoundNames = { readonly [Name in keyof Names]?: Names[Name] | undefined }

/** The captured form that is used. */
type Origin =
  | { readonly form: 'rdb'; readonly file: string }
  | { readonly form: 'single-file'; readonly file: string }
  | {
      readonly form: 'multi-part'
      readonly directory: string
      readonly parts: readonly AofPart[]
    }

/** Which captured form the target's next start is given; `nothing` was captured of a server that had nothing. */
export function chooseForm(facts: RedisFacts, appendonly: boolean): 'rdb' | 'aof' | 'nothing' {
  if (facts.form !== 'both') return facts.loads === 'nothing' ? 'nothing' : facts.form
  // When the server was down, one of the two may be stale.
  if (facts.stopped) return facts.loads
  return appendonly ? 'aof' : 'rdb'
}

/**
 * The steps that leave exactly one persistence form in the staged directory, under the names of the target's next
 * start. Throws SourceError when what was captured is not there or can't be brought into that form.
 */
export function arrangement(staged: StagedFiles, facts: RedisFacts, target: RedisStart): readonly Step[] {
  const found = foundNames(staged, facts)
  const start = target.told ? target : { ...target, ...unrecorded(found, facts) }
  for (const name of [start.dbfilename, start.appenddirname, start.appendfilename]) checkName(name)
  if (staged.others.has(WORK) || staged.directories.has(WORK) || staged.files.has(WORK)) {
    throw unusable(`it has a ${WORK} of its own`)
  }
  const chosen = chooseForm(facts, start.appendonly)
  const form = start.appendonly ? layoutOf(start.version?.redis) : 'rdb'
  const gathered = chosen === 'nothing' ? undefined : gather(originOf(staged, facts, chosen), form, start)
  const moved = new Set(gathered?.steps.flatMap(([verb, from]) => (verb === 'move' ? [from] : [])))
  return [
    ['mkdir', WORK, '.'],
    ...(gathered?.steps ?? []),
    // Other files that a start with these settings, or with those of the source, could load instead.
    ...leftovers(staged, [start, found])
      .filter((name) => !moved.has(name))
      .map((name): Step => ['remove', name]),
    ...(gathered === undefined ? [] : ([['move', `${WORK}/${gathered.result}`, gathered.result]] as const)),
    ['remove', WORK],
  ]
}

/**
 * The steps that gather the captured data for a server of our own in a directory of its own, and the line of its
 * configuration that makes it load them. Throws SourceError like {@link arrangement}.
 */
export function scratchArrangement(
  staged: StagedFiles,
  facts: RedisFacts,
  binary: NonNullable<RedisStart['binary']>,
): {
  readonly steps: readonly Step[]
  readonly directory: string
  readonly line: string
  readonly databases: string
} {
  const chosen = chooseForm(facts, false)
  const steps: Step[] = [['mkdir', WORK, '.']]
  const databases = String(SCRATCH_DATABASES)
  if (chosen === 'nothing') return { steps, directory: WORK, line: 'appendonly no', databases }
  const form = chosen === 'rdb' ? 'rdb' : layoutOf(binary.version.redis)
  const { steps: gathering } = gather(originOf(staged, facts, chosen), form, USUAL)
  return {
    steps: [...steps, ...gathering],
    directory: WORK,
    line: chosen === 'rdb' ? 'appendonly no' : 'appendonly yes',
    databases,
  }
}

const USUAL: Names = {
  dbfilename: 'dump.rdb',
  appenddirname: 'appendonlydir',
  appendfilename: 'appendonly.aof',
}

/** Since 7.0 an AOF is a directory with a manifest. Nobody installs an older one anew, so unknown means newer. */
function layoutOf(version: string | undefined): 'multi-part' | 'single-file' {
  return version === undefined || atLeast(version, '7.0') ? 'multi-part' : 'single-file'
}

interface Gathered {
  readonly steps: readonly Step[]
  /** The name in {@link WORK} that holds the whole form, and its name at the end. */
  readonly result: string
}

/** Brings one form into another, inside {@link WORK}. */
function gather(
  origin: Origin,
  form: 'rdb' | 'multi-part' | 'single-file',
  names: RedisStart | Names,
): Gathered {
  const { dbfilename, appenddirname, appendfilename } = names
  if (form === 'rdb') {
    if (origin.form === 'rdb') {
      return { steps: [['move', origin.file, `${WORK}/${dbfilename}`]], result: dbfilename }
    }
    return { steps: loadSteps(origin, names), result: dbfilename }
  }
  if (form === 'single-file') {
    const file = `${WORK}/${appendfilename}`
    // An RDB at the beginning of an AOF is its preamble, so parts make one file when put behind each other.
    const parts =
      origin.form === 'multi-part'
        ? origin.parts.map((part) => `${origin.directory}/${part.file}`)
        : [origin.file]
    return {
      steps: parts.map((part, at): Step => [at === 0 ? 'move' : 'append', part, file]),
      result: appendfilename,
    }
  }
  const directory = `${WORK}/${appenddirname}`
  const like = origin.form === 'multi-part' ? origin.directory : origin.file
  const parts =
    origin.form === 'multi-part' ? origin.parts : [{ file: origin.file, sequence: 1, type: 'b' as const }]
  const moved = parts.map((part) => ({ ...part, name: partName(appendfilename, part) }))
  const prefix = origin.form === 'multi-part' ? `${origin.directory}/` : ''
  const manifest = moved.map(
    ({ name, sequence, type }) => `file ${quoted(name)} seq ${sequence} type ${type}`,
  )
  return {
    steps: [
      ['mkdir', directory, like],
      ...moved.map(({ file, name }): Step => ['move', `${prefix}${file}`, `${directory}/${name}`]),
      [
        'write',
        `${directory}/${appendfilename}.manifest`,
        `${directory}/${moved[0]?.name ?? ''}`,
        manifest.join('\n'),
      ],
    ],
    result: appenddirname,
  }
}

/** An AOF becomes an RDB only by being loaded. */
function loadSteps(origin: Origin, names: RedisStart | Names): readonly Step[] {
  const binary = 'binary' in names ? names.binary : undefined
  if (binary === undefined) {
    throw new SourceError(
      'redis-restore-no-server',
      'Redis starts without an AOF there, and without a redis-server on the host the captured AOF can not be turned into an RDB',
      { next: 'Install redis-server on the host, or set appendonly yes in the config of its Redis.' },
    )
  }
  const load = gather(origin, layoutOf(binary.version.redis), USUAL)
  const first = load.steps.find(([verb, , to]) => verb === 'move' && to !== undefined)?.[2] ?? ''
  return [
    ...load.steps,
    ['load', WORK, binary.path, String(SCRATCH_DATABASES), first, 'appendonly yes'],
    ...(names.dbfilename === USUAL.dbfilename
      ? []
      : ([['move', `${WORK}/${USUAL.dbfilename}`, `${WORK}/${names.dbfilename}`]] as const)),
  ]
}

/** As Redis names them: `appendonly.aof.2.incr.aof`. */
function partName(appendfilename: string, part: AofPart): string {
  if (part.type === 'i') return `${appendfilename}.${part.sequence}.incr.aof`
  return `${appendfilename}.${part.sequence}.base.${part.file.endsWith('.aof') ? 'aof' : 'rdb'}`
}

/** As sdscatrepr writes a name that needs it. */
function quoted(name: string): string {
  return /^[\w.+,:@%-]+$/.test(name) ? name : `"${name.replaceAll(/["\\]/g, '\\$&')}"`
}

function originOf(staged: StagedFiles, facts: RedisFacts, form: 'rdb' | 'aof'): Origin {
  const found = foundNames(staged, facts)
  if (form === 'rdb') {
    if (found.dbfilename === undefined) throw unusable('its RDB is not there')
    return { form: 'rdb', file: found.dbfilename }
  }
  const directory = found.appenddirname
  if (directory === undefined) {
    if (found.appendfilename === undefined) throw unusable('its AOF is not there')
    return { form: 'single-file', file: found.appendfilename }
  }
  const parts = parseAofManifest(staged.manifests.get(directory)?.text ?? '')?.filter(
    ({ type }) => type !== 'h',
  )
  if (parts === undefined) throw unusable('the manifest of its AOF can not be read')
  for (const { file } of parts) {
    if (!staged.parts.has(`${directory}/${file}`)) throw unusable(`its AOF lacks ${file}`)
  }
  const order = parts.toSorted(
    (a, b) => Number(a.type === 'i') - Number(b.type === 'i') || a.sequence - b.sequence,
  )
  return { form: 'multi-part', directory, parts: order }
}

/** What the captured forms are called in the staged directory, as far as they are there. */
function foundNames(staged: StagedFiles, { settings }: RedisFacts): FoundNames {
  const directory = [settings['appenddirname'], USUAL.appenddirname, ...staged.manifests.keys()].find(
    (name) => name !== undefined && staged.manifests.has(name),
  )
  const manifest = staged.manifests.get(directory ?? '')
  return {
    dbfilename: theFile(staged, settings['dbfilename'], USUAL.dbfilename, '.rdb'),
    appenddirname: directory,
    appendfilename:
      manifest?.name.replace(/\.manifest$/, '') ??
      theFile(staged, settings['appendfilename'], USUAL.appendfilename, '.aof'),
  }
}

/** Names that neither a running server nor the source's settings tell are those of the files. */
function unrecorded(found: FoundNames, { settings }: RedisFacts): Partial<Names> {
  return Object.fromEntries(
    Object.entries(found).filter(([name, value]) => value !== undefined && settings[name] === undefined),
  )
}

/** As the source called it, else as it is usually called (a stream always is), else the only one of its kind. */
function theFile(
  { files }: StagedFiles,
  recorded: string | undefined,
  usual: string,
  extension: string,
): string | undefined {
  if (recorded !== undefined && files.has(recorded)) return recorded
  if (files.has(usual)) return usual
  const found = [...files].filter((file) => file.endsWith(extension) && !file.startsWith('temp-'))
  return found.length === 1 ? found[0] : undefined
}

function leftovers(staged: StagedFiles, names: readonly FoundNames[]): readonly string[] {
  const own = new Set(
    names.flatMap(({ dbfilename, appenddirname, appendfilename }) => [
      dbfilename,
      appenddirname,
      appendfilename,
    ]),
  )
  return [...own].filter(
    (name): name is string =>
      name !== undefined &&
      isName(name) &&
      (staged.files.has(name) || staged.directories.has(name) || staged.others.has(name)),
  )
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\x00-\x1f\x7f]/.test(name)
}

function checkName(name: string): void {
  if (isName(name) && name !== WORK) return
  throw new SourceError('redis-restore-name', 'Redis there has a file name that can not be written', {
    next: 'Look at dbfilename, appenddirname and appendfilename in its config.',
  })
}

function unusable(why: string): SourceError {
  return new SourceError('redis-restore-files', `What was captured of Redis can not be put back: ${why}`, {
    next: 'Restore another snapshot, and run: relay-backup verify --all',
  })
}
