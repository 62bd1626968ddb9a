import type { Finding } from '../model/finding.ts'
import type { MigrationPlan, MigrationReport } from '../model/migration-report.ts'
import { printable } from '../model/path-bytes.ts'
import { describeProjectWhole } from '../model/server-services.ts'
import { formatCount, formatDuration, formatSize } from '../model/units.ts'
import { findKind } from '../sources/registry.ts'
import { createPaint, type Paint } from './paint.ts'
import { errorToJson, toolLines } from './render-error.ts'

interface Style {
  readonly color: boolean
}

/** A migration's plan for a person: what goes where, what stops, what speaks against it. */
export function renderMigrationPlan(plan: MigrationPlan, style: Style): string {
  const paint = createPaint(style.color)
  const { from, to, deployment } = plan
  const lines = [
    `${plan.cutover ? 'Move' : 'Try out'} ${printable(from)} (${printable(deployment.from)}) ${plan.cutover ? 'to' : 'on'} ${printable(to)} (${printable(deployment.to)}):`,
    ...plan.sources.map(({ source, kind, bytes, targets }) =>
      isLoaded(kind)
        ? `  ${source} (${kind}): dumped by its server, and loaded into the one of ${printable(to)}`
        : `  ${source} (${kind}): ${formatSize(bytes)} to ${targets.map(printable).join(', ')}`,
    ),
    ...(plan.compose === undefined
      ? []
      : [
          `  services: ${describeProjectWhole(plan.compose.from)} on ${printable(from)}, ${describeProjectWhole(plan.compose.to)} on ${printable(to)}`,
        ]),
    ...plan.replaced.map((path) => `  replaces ${printable(path)}, kept there and in a safety snapshot`),
    ...(plan.cutover ? cutoverLines(plan) : rehearsalLines(plan)),
    ...plan.findings.map((finding) => findingLine(finding, paint)),
  ]
  return lines.join('\n')
}

function isLoaded(kind: string): boolean {
  return findKind(kind)?.restore.by === 'load'
}

function cutoverLines(plan: MigrationPlan): string[] {
  const loaded = plan.sources.filter(({ kind }) => isLoaded(kind)).map(({ source }) => source)
  const { from, to, services } = plan
  const names = (list: readonly string[]): string => list.map(printable).join(', ')
  const all = [...services.writers, ...services.data]
  return [
    services.manager === 'command'
      ? `  ${from}: a pull while it runs; then "${names(services.writers)}", and the last pull`
      : loaded.length === 0
        ? `  ${from}: a pull while it runs; then ${names(services.writers) || 'no writers'}, then ${names(services.data) || 'nothing else'} stop, and the last pull`
        : `  ${from}: a pull while it runs; then ${names(services.writers) || 'no writers'} stop, ${names(loaded)} is dumped, ${names(services.data) || 'nothing else'} stop, and the last pull`,
    `  ${to}: ${services.manager === 'command' ? 'all' : names(all.toReversed()) || 'nothing'} starts; ${from} then stays stopped, and nothing of it is removed`,
    `  nobody serves for about ${formatDuration(plan.downtime)}${basis(plan)}${loaded.length === 0 ? '' : `, and the dump, the load and the counts of ${names(loaded)}`}`,
    `  whatever fails before that starts ${from} again`,
  ]
}

/** What the estimate of the downtime is drawn from. */
function basis({ from, downtimeBy }: MigrationPlan): string {
  const guess = 'services that take long to stop or start add to it'
  switch (downtimeBy.run) {
    case 'cutover': {
      const { from: left, to, at, seconds } = downtimeBy
      return `, by the cutover from ${printable(left)} to ${printable(to)} of ${at.slice(0, 10)}, which took ${seconds.toFixed(1)} s`
    }
    case 'pull':
      return `: a guess, by the pull of ${from} of ${downtimeBy.at.slice(0, 10)}, which took ${downtimeBy.seconds.toFixed(1)} s; ${guess}`
    case 'none':
      return `: a guess, because the history has neither a cutover nor a pull; ${guess}`
  }
}

function rehearsalLines({ from, to, start, services }: MigrationPlan): string[] {
  const what = {
    none: 'nothing is started',
    data: `${services.data.map(printable).join(', ') || 'no data service'} starts`,
    all: 'all services start, while those of the other server go on',
  }[start]
  return [`  ${from}: a pull; it goes on serving`, `  ${to}: ${what}`]
}

function findingLine(finding: Finding, paint: Paint): string {
  const mark = { ok: paint.green('ok:'), warning: paint.yellow('warning:'), failed: paint.red('failed:') }[
    finding.outcome
  ]
  return `  ${mark} ${printable(finding.message)}${finding.next === undefined ? '' : `\n    Next: ${printable(finding.next)}`}`
}

/** What a migration did, for a person: who serves, what was compared, what happened when it failed. */
export function renderMigrationReport(report: MigrationReport, style: Style): string {
  const paint = createPaint(style.color)
  const { plan, outcome, snapshots, error } = report
  if (outcome === 'planned') return renderMigrationPlan(plan, style)
  const lines = [`${headline(report, paint)} (migration ${plan.id}, ${formatDuration(report.duration)})`]
  if (report.downtime !== undefined) {
    const laps = (report.laps ?? []).map(
      ({ what, milliseconds }) => `${printable(what)} ${(milliseconds / 1000).toFixed(1)} s`,
    )
    const where = laps.length === 0 ? '' : `: ${laps.join(', ')}`
    lines.push(`  nobody served for ${(report.downtime / 1000).toFixed(1)} s${where}`)
  }
  for (const { source, captured, restored } of report.sources) {
    lines.push(
      `  ${source}: ${findKind(captured.kind)?.facts?.counts(captured)} captured on ${printable(plan.from)}; all of it is on ${printable(plan.to)} (${formatCount(restored.entries, 'entry', 'entries')}, ${formatSize(restored.bytes)}), every hash as captured`,
    )
  }
  lines.push(...report.findings.map((finding) => findingLine(finding, paint)))
  if (outcome !== 'done') {
    lines.push(
      ...report.steps.map(
        ({ at, host, text }) => `  ${at.slice(11, 19)} ${printable(host)}: ${printable(text)}`,
      ),
    )
  }
  const taken = [
    [snapshots.pull, `${plan.from} while it ran`],
    [snapshots.cutover, `${plan.from} with its writers stopped`],
    [snapshots.safety, `what ${plan.to} had before`],
  ] as const
  for (const [id, what] of taken) {
    if (id !== undefined)
      lines.push(`  snapshot ${id === snapshots.safety ? plan.to : plan.from}/${id}: ${printable(what)}`)
  }
  if (outcome === 'done') lines.push(...whatNext(plan))
  if (error !== undefined) {
    lines.push(
      `  ${paint.red('error:')} ${printable(error.message)}`,
      ...toolLines(error.details.stderr, '    '),
    )
    if (error.details.next !== undefined) lines.push(`  Next: ${printable(error.details.next)}`)
  }
  return lines.join('\n')
}

function headline({ plan, outcome, serving }: MigrationReport, paint: Paint): string {
  const [from, to] = [printable(plan.from), printable(plan.to)]
  switch (outcome) {
    case 'planned':
      return ''
    case 'done':
      return plan.cutover
        ? `${from} to ${to}: ${paint.green(`moved: ${to} serves, ${from} stays stopped`)}`
        : `${from} to ${to}: ${paint.green(`tried out: ${from} serves as before`)}`
    case 'failed':
      return `${from} to ${to}: ${paint.red(serving === 'from' ? `failed: ${from} serves as before` : 'failed')}`
    case 'undecided':
      return `${from} to ${to}: ${paint.red(`${to} serves; whether ${from} was given up is not known`)}`
  }
}

function whatNext({ cutover, from, to, rollback }: MigrationPlan): string[] {
  return cutover
    ? [`  Back again, with what ${from} had: ${printable(rollback)}`]
    : [
        `  Undo it on ${to}: ${printable(rollback)}`,
        `  Move for good: relay-backup migrate ${from} ${to} --cutover --replace`,
      ]
}

/** The same for a program: errors as plain data, times in ms, the downtime in seconds too. */
export function migrationReportToJson(report: MigrationReport): unknown {
  const { error, downtime } = report
  return {
    ...report,
    ...(downtime === undefined ? {} : { downtimeSeconds: downtime / 1000 }),
    ...(error === undefined ? {} : errorToJson(error)),
  }
}
