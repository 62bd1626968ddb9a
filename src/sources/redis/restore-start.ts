import type { RedisFacts } from '../../model/facts.ts'
import type { Finding } from '../../model/finding.ts'
import type { Directives, StartArguments } from './restore-directives.ts'
import { atLeast } from '../../model/redis-version.ts'
import type { ServerVersion } from '../../model/redis-version.ts'

/** How the target's next start persists. */
export interface RedisStart {
  readonly running: boolean
  /** How it starts is known of itself; else it is taken to start as the source did. */
  readonly told: boolean
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
  /** CONFIG GET, where it is allowed. */
  readonly present: Readonly<Record<string, string>>
  /** Fields of INFO. */
  readonly info: ReadonlyMap<string, string>
  /** Its container is made anew from the Compose file that was captured with it. */
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
 * Decides how the target starts. What it was started with counts, not what it was told since (CONFIG SET without
 * CONFIG REWRITE); its present settings only where the former can't be found out, and then with a warning. Where its
 * container is made anew, it is taken to start as it did when it was captured.
 */
export function startOf(evidence: StartEvidence, facts: RedisFacts): RedisStart {
  const renewed = evidence.renewed && facts.settings['appendonly'] !== undefined
  const told =
    !renewed && (evidence.running || (evidence.arguments !== undefined && evidence.file !== 'unreadable'))
  const judge = told ? new ToldJudge(evidence) : new RecordedJudge(facts, renewed)
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
  }
  return {
    ...start,
    databases: Number.isFinite(start.databases) ? start.databases : undefined,
    dir: start.dir?.startsWith('/') ? start.dir.replace(/(?<=.)\/+$/, '') : undefined,
    findings: judge.findings,
    notes: judge.notes,
  }
}

interface Judge {
  readonly findings: Finding[]
  readonly notes: string[]
  value(name: Name): string
  /** What command line or config file say, if they do. */
  told(name: string): string | undefined
}

/** For a server that runs, or that a container is made to start. */
class ToldJudge implements Judge {
  readonly findings: Finding[] = []
  readonly notes: string[] = []
  readonly #evidence: StartEvidence

  constructor(evidence: StartEvidence) {
    this.#evidence = evidence
  }

  told(name: string): string | undefined {
    const { arguments: given, file } = this.#evidence
    return given?.directives.get(name) ?? (typeof file === 'string' ? undefined : file.get(name))
  }

  value(name: Name): string {
    const { arguments: given, file, fileName, version } = this.#evidence
    const present = this.#evidence.present[name]
    const isAppendonly = name === 'appendonly'
    // Redis had no appenddirname before 7; nobody asks for it then.
    if (name === 'appenddirname' && version !== undefined && !atLeast(version.redis, '7.0'))
      return DEFAULTS[name]
    if (
      present !== undefined &&
      (this.#unchangeable(name) || (isAppendonly && this.#onSinceStart(present)))
    ) {
      if (isAppendonly && (this.told(name) ?? 'no') !== 'yes') {
        this.notes.push('Redis writes an AOF since it was started, so its command line turns it on')
      }
      return present
    }
    if (file === 'unreadable' || (file === 'none' && given === undefined)) {
      const value = given?.directives.get(name) ?? present ?? DEFAULTS[name]
      // Where a default is in force, nothing speaks for another start, except for the AOF.
      if (isAppendonly || value !== DEFAULTS[name]) {
        this.findings.push({
          check: 'redis-start',
          outcome: 'warning',
          message: `How Redis starts can't be found out${
            file === 'unreadable' ? ` (${fileName ?? 'its config file'} can't be read)` : ''
          }; ${present === undefined ? 'its default' : 'its present setting'} is taken for the next start: ${name} ${value}`,
          next: 'Make sure that it starts with this setting; if it does not, the restore is undone.',
        })
      }
      return value
    }
    const value = this.told(name) ?? DEFAULTS[name]
    if (present !== undefined && present !== value) {
      this.findings.push({
        check: 'redis-start',
        outcome: 'warning',
        message:
          given === undefined
            ? `Redis runs with ${name} ${present}, but ${fileName} says ${value}, which is taken for the next start; the command line can't be seen`
            : `Redis runs with ${name} ${present}, but starts with ${value} (CONFIG SET without CONFIG REWRITE); the restore is made for the start`,
        next: `If it is to stay ${present}, run: redis-cli CONFIG REWRITE`,
      })
    }
    return value
  }

  /** Its present value is the one it was started with: Redis refuses to change it while it runs. */
  #unchangeable(name: Name): boolean {
    if (name === 'appenddirname' || name === 'appendfilename') return true
    // "protected configs" since 7.0: dir and dbfilename, unless enable-protected-configs allows it.
    return (
      name === 'dbfilename' &&
      this.#evidence.version !== undefined &&
      atLeast(this.#evidence.version.redis, '7.0') &&
      this.#evidence.present['enable-protected-configs'] === 'no'
    )
  }

  /**
   * Turning the AOF on while Redis runs always rewrites it (startAppendOnly in src/aof.c). So one that is on and was
   * never rewritten is on since the start.
   */
  #onSinceStart(present: string): boolean {
    return present === 'yes' && this.#evidence.info.get('aof_last_rewrite_time_sec') === '-1'
  }
}

/** For a server of which nothing is known, or that is made as the source was: as it was there. */
class RecordedJudge implements Judge {
  readonly findings: Finding[] = []
  readonly notes: string[]
  readonly #facts: RedisFacts

  constructor(facts: RedisFacts, renewed: boolean) {
    this.#facts = facts
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
    const recorded = this.#facts.settings[name]
    if (recorded !== undefined) return recorded
    if (name === 'appendonly') return this.#facts.loads === 'aof' ? 'yes' : 'no'
    return DEFAULTS[name]
  }

  told(): undefined {
    return undefined
  }
}
