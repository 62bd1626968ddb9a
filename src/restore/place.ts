import { setTimeout as sleep } from 'node:timers/promises'
import { RelayError, RemoteError } from '../errors.ts'
import type { HealthConfig, SourceConfig } from '../model/config.ts'
import type { Facts } from '../model/facts.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { RestorableSource, RestoreContext } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import { waitHealthy } from '../services/health.ts'
import type { HandOver, Starts } from './launch.ts'
import type { RestoreDriver, StepResult } from './server/driver.ts'

/** ms in which a started service must not die, where neither a health URL nor its own check says that it is well. */
const SETTLE = 3000

/** A source whose facts are compared once its service runs again. */
export interface SourceToCheck {
  readonly restorable: Pick<RestorableSource, 'check'>
  readonly config: SourceConfig
  readonly facts: Facts
}

export interface PlaceContext {
  readonly driver: RestoreDriver
  readonly remote: RemoteHost
  readonly restore: RestoreContext
  readonly checks: readonly SourceToCheck[]
  /** Those that were loaded into servers that run, and are to be switched; the journal is open then. */
  readonly loaded?: readonly SourceToCheck[]
  /** Loads when the data services run, and says what of it is to be switched. The journal is not open before. */
  readonly load?: (() => Promise<readonly SourceToCheck[]>) | undefined
  /** There are trees to be swapped; else the data services are never stopped. */
  readonly places?: boolean
  readonly health: HealthConfig | undefined
  readonly start: Starts
  readonly handOver?: HandOver | undefined
  /** Services were started, so they may die again. */
  readonly settles: boolean
  /** Says what happened, for the report. */
  readonly step: (text: string) => void
  readonly signal: AbortSignal
}

/**
 * From the stop on: stop → swap → start the data services → compare facts → start the rest → health → commit. Facts that
 * no server is needed for are compared right after the swap.
 * Throws when a step failed. The caller must then undo, except after an UndecidedError. Returns the findings of a
 * restore that went well.
 */
export async function putInPlace(context: PlaceContext): Promise<Finding[]> {
  const { driver, step, signal } = context
  const { loaded = [], places = true } = context
  if (loaded.length === 0) insist('checking the places', await driver.begin(signal), step)
  const findings: Finding[] = []
  if (places) findings.push(...(await stopAndSwap(context)))
  else {
    step('stopping what writes')
    insist('stopping services', await driver.stopWriters(signal), step)
  }
  if (context.start !== 'none' || loaded.length > 0 || context.load !== undefined)
    findings.push(...(await startAndCheck(context)))
  if (context.handOver !== undefined) return [...findings, ...(await takeOver(context, context.handOver))]
  insist('committing', await driver.commit(signal), step)
  return findings
}

/** The old aside, the new in its place and compared, while all is stopped. */
async function stopAndSwap(context: PlaceContext): Promise<Finding[]> {
  const { driver, step, signal } = context
  step('stopping services')
  const stopped = await driver.stop(signal)
  insist('stopping services', stopped, step)
  if (stopped.users.length > 0) {
    const names = [...new Set(stopped.users.map((user) => `${printable(user.name)} (process ${user.pid})`))]
    throw new RemoteError('still-in-use', `${names.join(', ')} still uses what is to be replaced`, {
      next: 'Add to services.stop what runs it, or stop it by hand.',
    })
  }
  step('swapping')
  insist('swapping', await driver.swap(signal), step)
  // What no server has to load is compared while nobody writes to it.
  const findings: Finding[] = []
  for (const one of context.checks.filter(({ config }) => kindOf(config.kind).engine === undefined))
    findings.push(...(await compare(context, one)))
  return findings
}

/** In a migration nothing interrupts from here on, and once the other side is given up nothing is undone. */
async function takeOver({ driver, step, remote }: PlaceContext, handOver: HandOver): Promise<Finding[]> {
  const patient = new AbortController().signal
  await handOver.decide(async () => insist('keeping', await driver.keep(patient), step))
  try {
    insist('committing', await driver.commit(patient), step)
    return []
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    return [
      {
        check: 'journal',
        outcome: 'warning',
        message: `it serves, but its journal is not closed: ${error.message}`,
        next: `Close it, which changes nothing else: relay-backup rollback --host ${remote.name}`,
      },
    ]
  }
}

async function startAndCheck(context: PlaceContext): Promise<Finding[]> {
  const { driver, step, signal } = context
  const findings: Finding[] = []
  const { places = true } = context
  let isStarted = false
  if (places) {
    // All at once: what makes them may take a second to begin, whatever it makes.
    if (context.handOver !== undefined && context.start === 'all')
      insist('making containers', await driver.make(signal), step)
    step('starting data services')
    const data = await driver.startData(signal)
    insist('starting data services', data, step)
    isStarted = data.notes.some(saysStarted)
  }
  const loaded = (await context.load?.()) ?? context.loaded ?? []
  if (loaded.length > 0) {
    step('switching')
    insist('switching', await driver.switchLoads(signal), step)
    for (const one of loaded) findings.push(...(await compare(context, one)))
  }
  for (const one of context.checks) {
    const { config } = one
    if (kindOf(config.kind).engine === undefined) continue
    if (!isStarted) {
      findings.push({
        check: 'facts',
        outcome: 'warning',
        message: `${config.name} was not compared with its facts: its service did not run before, and stays stopped`,
        next: 'Start it, and look at what it holds.',
      })
      continue
    }
    findings.push(...(await compare(context, one)))
  }
  let isProven = false
  if (context.start === 'all') {
    await context.handOver?.ready()
    step('starting services')
    const rest = await driver.startRest(signal)
    insist('starting services', rest, step)
    const started = rest.notes.filter(saysStarted)
    isProven = started.length > 0 && started.every(passesItsCheck)
  }
  const isHealthy = context.start === 'all' && context.health !== undefined
  if (isHealthy && context.health !== undefined) await insistOnHealth(context, context.health)
  const watch = async (): Promise<void> => {
    if (!isHealthy && !isProven && context.settles) await sleep(SETTLE, undefined, { signal })
    insist('checking that services run', await driver.checkRunning(signal), step)
  }
  const accept = async (): Promise<readonly Finding[]> =>
    context.start === 'all' ? ((await context.handOver?.accept(context.remote)) ?? []) : []
  // Both are waited for: what is undone must not find the script at another command.
  const [watched, accepted] = await Promise.allSettled([watch(), accept()])
  if (accepted.status === 'rejected') throw accepted.reason
  if (watched.status === 'rejected') throw watched.reason
  return [...findings, ...accepted.value]
}

/** Throws RelayError `facts-differ`. */
async function compare(
  { step, restore }: PlaceContext,
  { restorable, config, facts }: SourceToCheck,
): Promise<readonly Finding[]> {
  step(`comparing ${config.name} with its facts`)
  const found = await restorable.check(restore, config, facts)
  const failed = found.find((finding) => finding.outcome === 'failed')
  if (failed === undefined) return found
  throw new RelayError('facts-differ', failed.message, { source: config.name, next: failed.next })
}

/** True for a note that a service was started, as restore/scripts/run.sh says it. */
export function saysStarted(note: string): boolean {
  return note.startsWith('started: ')
}

/** As restore/scripts/run.sh says it. */
function passesItsCheck(note: string): boolean {
  return note.endsWith(', and it passes its own check')
}

async function insistOnHealth(context: PlaceContext, health: HealthConfig): Promise<void> {
  context.step(`waiting for ${health.url}`)
  const problem = await waitHealthy(context.remote, health, context.signal)
  if (problem === undefined) return
  throw new RelayError('unhealthy', `the health check failed: ${printable(problem)}`, {
    next: "Look at the services' logs; the data that failed lies in .relay-backup/failed-… on the server.",
  })
}

/** Goes on only when a step went well. Its notes are shown either way. Throws RemoteError. */
export function insist(what: string, result: StepResult, step: (text: string) => void): void {
  for (const note of result.notes) step(printable(note))
  if (!result.ok) {
    throw new RemoteError('restore-step', `${what} failed: ${printable(result.reason)}`, {
      next: 'Correct that on the server, then run this again.',
    })
  }
}
