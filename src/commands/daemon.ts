import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { ConfigError, expected, UsageError, type RelayError } from '../errors.ts'
import { ExitCode, exitCodeOf } from '../exit-codes.ts'
import type { Config } from '../model/config.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { errorToJson, renderError } from '../report/render-error.ts'
import { errorTroubles } from '../report/trouble-line.ts'
import { keepSchedules } from '../schedule/daemon.ts'
import { momentWords, timeWords } from '../schedule/times.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { commandOf, scheduleProblems, type CommandLine } from './schedule-line.ts'
import { runsOfAll } from './schedule-history.ts'

/** ms that a run may take to end in order once the daemon is told to end. */
const GRACE = 25_000
/** ms between two looks at the clock: a machine that slept, or whose clock was set, is noticed that soon. */
const LOOK = 20_000
/** ms by which the clock may differ from the time that passed. */
const DRIFT = 60_000

/** `daemon`: keeps the schedules until SIGTERM. SIGHUP reads the config anew. */
export async function daemon(
  context: CommandContext,
  _args: readonly string[],
  line: CommandLine,
): Promise<CommandOutcome> {
  const { now, signal } = context
  const read = async (): Promise<Config> => {
    const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
    const problems = await scheduleProblems(config, line)
    if (problems.length > 0) throw new ConfigError(problems)
    return config
  }
  const told = teller(context)
  let config = await read()
  if (config.schedules.length === 0) {
    throw new UsageError('The config has no schedules', {
      next: `Write one into ${config.file}: schedules: { nightly: { at: "02:00", run: pull --all } }`,
    })
  }
  told.schedules(config)
  let isAsked = false
  let wake = new AbortController()
  context.onHangUp?.(() => {
    isAsked = true
    wake.abort()
  })
  const work = keepSchedules(
    {
      now,
      waitUntil: async (at, stop) => {
        if (!wake.signal.aborted) await waitUntil(at, now, AbortSignal.any([stop, wake.signal]))
        wake = new AbortController()
      },
      schedules: async () => {
        if (!isAsked) return config.schedules
        isAsked = false
        try {
          config = await read()
          told.schedules(config)
        } catch (error) {
          told.error(expected(error), 'The config was not read anew, and the old one stays in force')
        }
        return config.schedules
      },
      history: async () => runsOfAll(await openExistingVault(config.vault), config.hosts),
      run: (schedule, due, stop) =>
        told.run(schedule, due, () => runOne(config, schedule, line, context, stop)),
    },
    signal,
  )
  const isInOrder = await Promise.race([work.then(() => true), afterGrace(signal)])
  return {
    exitCode: isInOrder ? ExitCode.done : ExitCode.failed,
    text: isInOrder ? '' : 'A run did not end in time; the server ends what it left by itself.',
    json: { ok: isInOrder },
  }
}

async function runOne(
  config: Config,
  schedule: ScheduleConfig,
  line: CommandLine,
  context: CommandContext,
  signal: AbortSignal,
): Promise<CommandOutcome> {
  const command = await commandOf(config, schedule, line)
  return command({
    ...context,
    config,
    signal,
    interactive: false,
    cause: { trigger: 'daemon', schedule: schedule.name },
  })
}

/** Waits for a time of the clock, which may be set, and which goes on while the machine sleeps. */
export async function waitUntil(at: Date | undefined, now: () => Date, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const left = at === undefined ? LOOK : at.getTime() - now().getTime()
    if (left <= 0) return
    const before = { clock: now().getTime(), passed: performance.now() }
    await delay(Math.min(left, LOOK), undefined, { signal }).catch(() => undefined)
    const clock = now().getTime() - before.clock
    if (Math.abs(clock - (performance.now() - before.passed)) > DRIFT) return
  }
}

/** False, so long after the signal. */
async function afterGrace(signal: AbortSignal): Promise<false> {
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  return await delay(GRACE, false as const, { ref: false })
}

/** What the daemon says of its runs: each run's report on stdout, its own words on stderr. */
function teller(context: CommandContext) {
  const { globals, now, output, progress } = context
  const say = (text: string) => {
    if (!globals.quiet && !globals.json) progress.stream.write(`${text}\n`)
  }
  const error = (problem: RelayError, what?: string) => {
    const before = what === undefined ? '' : `${what}\n`
    const lines = globals.quiet
      ? `${before}${errorTroubles(problem).join('\n')}\n`
      : `${before}${renderError(problem, progress)}`
    progress.stream.write(lines)
  }
  return {
    error,
    schedules({ schedules }: Config) {
      for (const one of schedules) say(`${one.name}: ${timeWords(one)}: ${one.run.join(' ')}`)
    },
    async run(schedule: ScheduleConfig, due: Date, work: () => Promise<CommandOutcome>): Promise<void> {
      say(`${schedule.name}: due ${momentWords(due, now(), schedule.timeZone)}: ${schedule.run.join(' ')}`)
      try {
        const { exitCode, text, quiet, json } = await work()
        const words = globals.quiet ? (quiet ?? text) : text
        if (globals.json)
          output.write(`${JSON.stringify({ schedule: schedule.name, exitCode, result: json })}\n`)
        else if (words !== '') output.write(`${words}\n`)
        say(`${schedule.name}: ended with exit code ${exitCode}`)
      } catch (thrown) {
        const problem = expected(thrown)
        if (globals.json)
          output.write(
            `${JSON.stringify({ schedule: schedule.name, exitCode: exitCodeOf(problem), result: errorToJson(problem) })}\n`,
          )
        else error(problem, `${schedule.name}:`)
      }
    },
  }
}
