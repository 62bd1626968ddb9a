import type { RedisFacts } from '../../../model/facts.ts'
import type { Finding } from '../../../model/finding.ts'
import type { OwnFiles } from '../capture/directory-watch.ts'
import type { Directives, StartArguments } from './directives.ts'
import { parseMemory } from '../memory.ts'
import type { MemoryLimit } from '../memory.ts'
import { atLeast } from '../../../model/version-order.ts'
import type { ServerVersion } from '../../../model/redis-version.ts'

/** How the target's next start persists. */
export interface RedisStart {
  readonly running: boolean
  /** True when the target itself tells how it starts; else it is taken to start as the source did. */
  readonly told: boolean
  /** Its `appendonly` is what the source's config says by `startsWith`. */
  readonly configured: boolean
  /** Of the server that will start, where known. */
  readonly version?: ServerVersion | undefined
  /** A redis-server on the host and its version: its absolute path, or `image:ID` for one in an image. */
  readonly binary?: { readonly path: string; readonly version: ServerVersion } | undefined
  readonly appendonly: boolean
  readonly dbfilename: string
  readonly appenddirname: string
  readonly appendfilename: string
  /** How many databases it takes, where known. */
  readonly databases?: number | undefined
  /** Where it will look, when its config or command line gives an absolute path. */
  readonly dir?: string | undefined
  /** Undefined when it is not known. */
  readonly memory?: MemoryLimit | undefined
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
}

/** What was seen on the host. */
export interface StartEvidence {
  readonly running: boolean
  readonly version?: ServerVersion | undefined
  readonly binary?: RedisStart['binary']
  /** Its command line, or that of its unit; undefined when neither can be told. */
  readonly arguments?: StartArguments | undefined
  /** What the config file and its includes say; `none`: it starts without one; `unreadable`: it has one. */
  readonly file: Directives | 'none' | 'unreadable'
  /** The config file's name. */
  readonly fileName?: string | undefined
  /**
   * Whether the config file, or a file that it includes, was changed since the server was started; undefined when that
   * can't be told.
   */
  readonly fileChanged?: boolean | undefined
  /** How many bytes of options a command line that can't be seen may have; undefined when that can't be told. */
  readonly room?: number | undefined
  /** How often CONFIG SET was called since the start; undefined when the server does not tell. */
  readonly configSets?: number | undefined
  /** What the source's config says of the next start. */
  readonly startsWith?: 'aof' | 'rdb' | undefined
  /** CONFIG GET, where it is allowed. */
  readonly present: Readonly<Record<string, string>>
  /** What lies in its directory. */
  readonly found?: OwnFiles | undefined
  /** Fields of INFO. */
  readonly info: ReadonlyMap<string, string>
  /** The container is made anew from the Compose file that was captured with it. */
  readonly renewed: boolean
}

/** Redis' own defaults (redis.conf). */
const DEFAULTS = {
  appendonly: 'no',
  dbfilename: 'dump.rdb',
  appenddirname: 'appendonlydir',
  appendfilename: 'appendonly.aof',
} as const
type Name = keyof typeof DEFAULTS

/**
 * Decides how the target starts the next time. What the command line and the config file say counts, as that file is
 * today, not what the server runs with (CONFIG SET without CONFIG REWRITE, a file that was changed since). Where that
 * can't be known, `startsWith` of the source decides; without it there is a failed finding. Where its container is made
 * anew, it is taken to start as it did when it was captured.
 */
export function startOf(evidence: StartEvidence, facts: RedisFacts): RedisStart {
  const renewed = evidence.renewed && facts.settings['appendonly'] !== undefined
  const told =
    !renewed && (evidence.running || (evidence.arguments !== undefined && evidence.file !== 'unreadable'))
  const judge = told ? new ToldJudge(evidence) : new RecordedJudge(facts, renewed, evidence.startsWith)
  const start = {
    running: evidence.running,
    told,
    version: evidence.version,
    binary: evidence.binary,
    appendonly: judge.value('appendonly') === 'yes',
    dbfilename: judge.value('dbfilename'),
    appenddirname: judge.value('appenddirname'),
    appendfilename: judge.value('appendfilename'),
    databases: Number(evidence.present['databases'] ?? judge.told('databases') ?? Number.NaN),
    dir: judge.told('dir'),
    memory: told ? memoryLimit(evidence, judge) : undefined,
  }
  return {
    ...start,
    configured: judge.configured,
    databases: Number.isFinite(start.databases) ? start.databases : undefined,
    dir: start.dir?.startsWith('/') ? start.dir.replace(/(?<=.)\/+$/, '') : undefined,
    findings: judge.findings,
    notes: judge.notes,
  }
}

/** As it starts, where all of that is known; else as it runs. */
function memoryLimit(
  { arguments: given, file, present, info }: StartEvidence,
  judge: Judge,
): MemoryLimit | undefined {
  const isKnown = given !== undefined && file !== 'unreadable'
  const value = (name: string, field: string, usual: string): string | undefined =>
    judge.told(name) ?? (isKnown ? usual : (present[name] ?? info.get(field)))
  const bytes = parseMemory(value('maxmemory', 'maxmemory', '0') ?? info.get('maxmemory') ?? '')
  const policy = value('maxmemory-policy', 'maxmemory_policy', 'noeviction')
  return bytes === undefined ? undefined : { bytes, policy: policy ?? 'unknown policy' }
}

interface Judge {
  readonly configured: boolean
  readonly findings: Finding[]
  readonly notes: string[]
  value(name: Name): string
  /** The value by the command line or the config file, if one of them has it. */
  told(name: string): string | undefined
}

function appendonlyOf(startsWith: 'aof' | 'rdb'): 'yes' | 'no' {
  return startsWith === 'aof' ? 'yes' : 'no'
}

/** For a server that runs, or whose start is known. */
class ToldJudge implements Judge {
  configured = false
  readonly findings: Finding[] = []
  readonly notes: string[] = []
  readonly #evidence: StartEvidence

  constructor(evidence: StartEvidence) {
    this.#evidence = evidence
  }

  told(name: string): string | undefined {
    return this.#evidence.arguments?.directives.get(name) ?? this.#inFile(name)
  }

  value(name: Name): string {
    const { arguments: given, file, version } = this.#evidence
    const present = this.#evidence.present[name]
    // Redis had no appenddirname before 7; nobody asks for it then.
    if (name === 'appenddirname' && version !== undefined && !atLeast(version.redis, '7.0'))
      return DEFAULTS[name]
    const onCommandLine = given?.directives.get(name)
    const value =
      onCommandLine ?? (file === 'unreadable' ? undefined : (this.#inFile(name) ?? DEFAULTS[name]))
    const isKnown = onCommandLine !== undefined || (given !== undefined && file !== 'unreadable')
    if (value === undefined) return this.#withoutFile(name, present)
    if (isKnown && name === 'appendonly') this.#warnOfContradiction(value)
    if (present === undefined || present === value) return value
    if (isKnown) {
      this.#warnOfOther(name, present, value)
      return value
    }
    return this.#withoutCommandLine(name, present, value)
  }

  #inFile(name: string): string | undefined {
    const { file } = this.#evidence
    return typeof file === 'string' ? undefined : file.get(name)
  }

  /** The finding that nobody can read the config file. */
  #withoutFile(name: Name, present: string | undefined): string {
    const value = present ?? this.#found(name) ?? DEFAULTS[name]
    const { fileName } = this.#evidence
    const why = `${fileName ?? 'its config file'} can't be read`
    if (name === 'appendonly') return this.#unknown(name, value, why)
    // Where the default is in force, nothing speaks for another start.
    if (value !== DEFAULTS[name]) {
      this.findings.push({
        check: 'redis-start',
        outcome: 'warning',
        message: `How Redis starts can't be found out (${why}); its present setting is taken for the next start: ${name} ${value}`,
        next: 'Make sure that it starts with this setting; if it does not, the restore is undone.',
      })
    }
    return value
  }

  /** The name of the file that lies there, which is likely to be Redis's own. */
  #found(name: Name): string | undefined {
    const { found } = this.#evidence
    if (name === 'dbfilename') return found?.rdb
    if (name === 'appenddirname') return found?.aof?.layout === 'multi-part' ? found.aof.name : undefined
    if (name === 'appendfilename') return found?.aof?.layout === 'single-file' ? found.aof.name : undefined
    return undefined
  }

  /** Redis has overwritten its command line, which wins over the file: it, or the file before a change, may say `present`. */
  #withoutCommandLine(name: Name, present: string, inFile: string): string {
    const { file, fileName, fileChanged, room } = this.#evidence
    // `--appendonly`, `yes`, each ended by NUL.
    const fits = room === undefined || room >= `--${name}`.length + present.length + 2
    if (!fits) {
      this.#warnOfOther(name, present, inFile)
      return inFile
    }
    if ((file === 'none' || fileChanged === false) && this.#isSinceStart(name, present)) {
      this.notes.push(
        `Redis runs with ${name} ${present} since it was started, and ${
          file === 'none' ? 'without a config file' : `${fileName} says ${inFile}`
        }: its command line says ${present}`,
      )
      return present
    }
    const changed = fileChanged === true ? ', which was changed since its start,' : ''
    const why =
      file === 'none'
        ? `Redis runs with ${name} ${present}`
        : `Redis runs with ${name} ${present}, but ${fileName}${changed} says ${inFile}`
    return this.#unknown(name, inFile, `${why}, and its command line can't be seen`)
  }

  /** A finding that stops the restore, unless the source's config says it. */
  #unknown(name: Name, value: string, why: string): string {
    const { startsWith } = this.#evidence
    if (name === 'appendonly' && startsWith !== undefined) {
      this.configured = true
      return appendonlyOf(startsWith)
    }
    this.findings.push({
      check: 'redis-start',
      outcome: 'failed',
      message: `With which ${name} Redis starts the next time can't be found out: ${why}`,
      next:
        name === 'appendonly'
          ? 'Set `startsWith: aof` (appendonly yes) or `startsWith: rdb` (appendonly no) for this source; for a Redis in a container name it by `service` or `container` instead.'
          : `Start Redis anew, so that it runs with the ${name} it starts with, then restore again.`,
    })
    return value
  }

  #warnOfContradiction(value: string): void {
    const { startsWith } = this.#evidence
    if (startsWith === undefined || appendonlyOf(startsWith) === value) return
    this.findings.push({
      check: 'redis-start',
      outcome: 'warning',
      message: `This source says \`startsWith: ${startsWith}\`, but Redis starts with appendonly ${value}, for which the restore is made`,
      next: 'Remove `startsWith` from this source: it is for a Redis whose start can not be found out.',
    })
  }

  #warnOfOther(name: Name, present: string, value: string): void {
    const { arguments: given, fileName } = this.#evidence
    const says = given === undefined ? `${fileName} says` : 'starts with'
    this.findings.push({
      check: 'redis-start',
      outcome: 'warning',
      message: `Redis runs with ${name} ${present}, but ${says} ${value} (CONFIG SET without CONFIG REWRITE, or its config was changed since); the restore is made for the start`,
      next: `If it is to stay ${present}, run: redis-cli CONFIG REWRITE`,
    })
  }

  /** Whether the present value is the one with which Redis was started. */
  #isSinceStart(name: Name, present: string): boolean {
    const { info, configSets } = this.#evidence
    if (configSets === 0 || this.#isUnchangeable(name)) return true
    // Turning the AOF on while Redis runs always rewrites it (startAppendOnly in src/aof.c).
    return name === 'appendonly' && present === 'yes' && info.get('aof_last_rewrite_time_sec') === '-1'
  }

  /** Redis refuses to change it while it runs. */
  #isUnchangeable(name: Name): boolean {
    if (name === 'appenddirname' || name === 'appendfilename') return true
    // "protected configs" since 7.0: dir and dbfilename, unless enable-protected-configs allows it.
    return (
      name === 'dbfilename' &&
      this.#evidence.version !== undefined &&
      atLeast(this.#evidence.version.redis, '7.0') &&
      this.#evidence.present['enable-protected-configs'] === 'no'
    )
  }
}

/** For a server of which nothing is known, or that is made as the source was: as it was there. */
class RecordedJudge implements Judge {
  readonly configured: boolean
  readonly findings: Finding[] = []
  readonly notes: string[]
  readonly #facts: RedisFacts
  readonly #startsWith: StartEvidence['startsWith']

  constructor(facts: RedisFacts, renewed: boolean, startsWith: StartEvidence['startsWith']) {
    this.#facts = facts
    this.configured = startsWith !== undefined
    this.#startsWith = startsWith
    if (renewed) {
      this.notes = [
        'Redis is made anew from what Compose reads of this snapshot: it is taken to start with the settings of then',
      ]
      return
    }
    this.notes = [
      facts.settings['appendonly'] === undefined
        ? 'Redis does not run there and the settings of the source are not recorded: the form that the source would load is written'
        : 'Redis does not run there: it is taken to start with the settings of the source',
    ]
  }

  value(name: Name): string {
    if (name === 'appendonly' && this.#startsWith !== undefined) return appendonlyOf(this.#startsWith)
    const recorded = this.#facts.settings[name]
    if (recorded !== undefined) return recorded
    if (name === 'appendonly') return this.#facts.loads === 'aof' ? 'yes' : 'no'
    return DEFAULTS[name]
  }

  told(): undefined {
    return undefined
  }
}
