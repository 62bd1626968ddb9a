import type { RelayError } from '../errors.ts'
import type { Finding } from '../model/finding.ts'
import type {
  HostPullReport,
  PullPlanReport,
  PullReport,
  RotationReport,
  SourcePullReport,
} from '../model/pull-report.ts'
import { printable } from '../model/path-bytes.ts'
import { describeProject } from '../model/server-services.ts'
import { formatCount, formatDuration, formatNumber, formatSize } from '../model/units.ts'
import { codeWords, formatAge } from './format.ts'
import { createPaint } from './paint.ts'
import type { Paint } from './paint.ts'
import { errorToJson, toolLines } from './render-error.ts'
import { errorTroubles, findingTroubles, troubleLine } from './trouble-line.ts'

/** What a pull did, for a person; without a trailing newline. */
export function renderPullReport(report: PullReport, style: { readonly color: boolean }): string {
  const paint = createPaint(style.color)
  const blocks = report.hosts.map((host) => hostLines(host, paint).join('\n'))
  if (report.hosts.length > 1) blocks.push(totalLine(report))
  return blocks.join('\n')
}

/** The same for a program: errors as plain data. */
export function pullReportToJson(report: PullReport): unknown {
  return {
    ...report,
    hosts: report.hosts.map((host) => ({ ...plain(host), sources: host.sources.map(plain) })),
  }
}

/** What `pull --dry-run` would do, for a person; without a trailing newline. */
export function renderPullPlans(
  plans: readonly PullPlanReport[],
  /** Of the recipients. */
  findings: readonly Finding[],
  style: { readonly color: boolean },
): string {
  const paint = createPaint(style.color)
  return [
    ...plans.flatMap((plan) => planLines(plan, paint)),
    ...findings.flatMap((finding) => findingLines(finding, paint)),
  ].join('\n')
}

/** What a person should know of pulls that no event has said, a line each. */
export function pullTroubles({ hosts }: PullReport): readonly string[] {
  return hosts.flatMap(({ host, rotation }) =>
    rotation?.paused === undefined
      ? []
      : [
          troubleLine({
            label: 'warning',
            where: host,
            message: `rotation paused: ${rotation.paused}; nothing was removed`,
            next: rotation.next,
          }),
        ],
  )
}

/** What speaks against the planned pulls, a line each. */
export function pullPlanTroubles(
  plans: readonly PullPlanReport[],
  findings: readonly Finding[],
): readonly string[] {
  return [
    ...findingTroubles(findings),
    ...plans.flatMap(({ host, outcome, sources, notices, error }) => {
      const errors = [error, ...sources.map((source) => source.error?.withDetails({ source: source.source }))]
      const lines = errors.flatMap((one) =>
        one === undefined ? [] : errorTroubles(one.withDetails({ host }), 'failed'),
      )
      if (outcome !== 'partial' || lines.length > 0) return lines
      return notices.map((message) => troubleLine({ label: 'warning', where: host, message }))
    }),
  ]
}

/** The same for a program. */
export function pullPlansToJson(plans: readonly PullPlanReport[], findings: readonly Finding[]): unknown {
  return { findings, hosts: plans.map((plan) => ({ ...plain(plan), sources: plan.sources.map(plain) })) }
}

function plain<T extends { readonly error?: RelayError | undefined }>(part: T): object {
  return part.error === undefined ? part : { ...part, ...errorToJson(part.error) }
}

function planLines(plan: PullPlanReport, paint: Paint): string[] {
  const { deployment, server, compose, error } = plan
  const width = Math.max(0, ...plan.sources.map((source) => source.source.length))
  if (plan.outcome === 'skipped') return [`${printable(plan.host)}: would be skipped, ${freshness(plan)}`]
  return [
    deployment === undefined || server === undefined
      ? `${printable(plan.host)}: would fail`
      : `${printable(plan.host)}: would capture ${printable(deployment)} (${printable(server)})`,
    ...composeLines(compose),
    ...plan.sources.flatMap((source) => [
      `  ${printable(source.source).padEnd(width)}  ${printable(source.kind)}  ${printable(source.what)}  ` +
        `(${[source.compression, source.privilege]
          .flatMap((one) => one ?? [])
          .map(printable)
          .join(', ')})`,
      ...(source.excludes ?? []).flatMap(excludeLine),
      ...(source.error === undefined ? [] : planErrorLines(source.error, '    ', paint)),
    ]),
    ...plan.notices.map((notice) => `  note: ${printable(notice)}`),
    ...(error === undefined ? [] : planErrorLines(error, '  ', paint)),
  ]
}

function planErrorLines(error: RelayError, indent: string, paint: Paint): string[] {
  const [first = '', ...rest] = errorLines(error, indent, paint)
  return [`${indent}${paint.red('failed:')} ${first.trimStart()}`, ...rest]
}

function composeLines(compose: HostPullReport['compose']): string[] {
  if (compose === undefined) return []
  if (compose === 'unknown') return ['  no Compose project is known in the deployment: nothing of it runs']
  const { state } = compose
  const says = {
    up: '',
    stopped: ': it is stopped, none of its containers runs',
    down: ': it is down, there are no containers of it',
  }[state]
  return [`  ${describeProject(compose)}${says}`]
}

function excludeLine({
  pattern,
  count,
  names,
}: {
  readonly pattern: string
  readonly count: number
  readonly names: readonly string[]
}): string[] {
  if (count === 0) return []
  const more = count > names.length ? ', …' : ''
  return [
    `    ${printable(pattern)} leaves out ${formatNumber(count)}: ${names.map(printable).join(', ')}${more}`,
  ]
}

function hostLines(host: HostPullReport, paint: Paint): string[] {
  const width = Math.max(0, ...host.sources.map((source) => source.source.length))
  return [
    headline(host, paint),
    ...composeLines(host.compose),
    ...host.sources.flatMap((source) => sourceLines(source, width, paint)),
    ...(host.error === undefined || isTold(host.error, host) ? [] : errorLines(host.error, '  ', paint)),
    ...(host.findings ?? []).flatMap((finding) => findingLines(finding, paint)),
    ...(host.rotation === undefined ? [] : rotationLines(host.rotation, paint)),
  ]
}

/** Whether a source has failed for this very reason, so that the reason is shown already. */
function isTold(error: RelayError, host: HostPullReport): boolean {
  return host.sources.some((source) => source.error?.message === error.message)
}

function whyPartial({ sources }: HostPullReport): string {
  const only = sources.find((source) => source.only !== undefined)?.only
  return only === undefined ? 'only some sources were asked for' : `only the ${only} was asked for`
}

function headline(host: HostPullReport, paint: Paint): string {
  const name = printable(host.host)
  const written = host.snapshot === undefined ? name : `${name}/${host.snapshot}`
  const took = formatDuration(host.duration)
  switch (host.outcome) {
    case 'done':
      return `${written}: ${paint.green('done')} in ${took}${host.complete === false ? ` (not complete: ${whyPartial(host)})` : ''}`
    case 'partial':
      return `${written}: ${paint.yellow('done in part')} in ${took}`
    case 'failed':
      return `${written}: ${paint.red('failed')} after ${took}`
    case 'locked':
      return `${name}: ${paint.yellow('locked')}, another run works on it`
    case 'interrupted':
      return `${name}: ${paint.yellow('interrupted')}`
    case 'skipped':
      return `${name}: skipped, ${freshness(host)}`
  }
}

function freshness({ age }: { readonly age?: number | undefined }): string {
  return age === undefined ? 'fresh enough' : `the last snapshot was made ${formatAge(age)}`
}

/** As it is written for a source in the config. */
const QUIESCE_EXAMPLE = '`quiesce: { pause: [SERVICE] }`'

function sourceLines(source: SourcePullReport, width: number, paint: Paint): string[] {
  const name = printable(source.source).padEnd(width)
  const torn = source.outcome === 'torn' ? `${paint.red('torn')}, ` : ''
  const lines =
    source.outcome === 'failed'
      ? [`  ${name}  ${paint.red('failed')}`]
      : [
          `  ${name}  ${torn}${formatCount(source.entries, 'entry', 'entries')}, ${formatSize(source.size)} ` +
            `(${describeChange(source.change)}); ` +
            `${formatSize(source.wireBytes)} over the wire, ${formatSize(source.bytes)} encrypted`,
        ]
  for (const { code, count } of source.warnings)
    lines.push(`    ${paint.yellow('warning:')} ${printable(codeWords(code))}: ${formatNumber(count)}`)
  if (torn !== '') {
    lines.push(
      `    a database in it was written to each time it was read: this copy may not open`,
      `    ${paint.cyan('Next:')} hold still what writes there during the pull: ${QUIESCE_EXAMPLE} for ${printable(source.source)}`,
    )
  }
  if (source.error !== undefined) lines.push(...errorLines(source.error, '    ', paint))
  return lines
}

function describeChange(change: number | undefined): string {
  if (change === undefined) return 'new'
  if (change === 0) return 'same size'
  return `${change > 0 ? '+' : '-'}${formatSize(Math.abs(change))}`
}

function findingLines({ outcome, message, next }: Finding, paint: Paint): string[] {
  const label = outcome === 'failed' ? paint.red('failed:') : paint.yellow('warning:')
  return [
    `  ${label} ${printable(message)}`,
    ...(next === undefined ? [] : [`  ${paint.cyan('Next:')} ${printable(next)}`]),
  ]
}

function errorLines(error: RelayError, indent: string, paint: Paint): string[] {
  const { next, stderr } = error.details
  return [
    `${indent}${printable(error.message)}`,
    ...toolLines(stderr, `${indent}  `),
    ...(next === undefined ? [] : [`${indent}${paint.cyan('Next:')} ${printable(next)}`]),
  ]
}

function rotationLines(rotation: RotationReport, paint: Paint): string[] {
  if (rotation.paused !== undefined)
    return [
      `  ${paint.yellow('rotation paused:')} ${printable(rotation.paused)}; nothing was removed`,
      ...(rotation.next === undefined ? [] : [`  ${paint.cyan('Next:')} ${printable(rotation.next)}`]),
    ]
  const { removed, retired, reinstated } = rotation
  return [
    `  rotation: ${rotationCounts(rotation).join(', ')}`,
    ...reinstated.map(({ snapshot, why }) => `    brought back ${snapshot}: ${printable(why)}`),
    ...removed.map(({ snapshot, why }) => `    removed ${snapshot}: ${printable(why)}`),
    ...retired.map(({ snapshot, why }) => `    retired ${snapshot}: ${printable(why)}`),
  ]
}

/** `9 kept (7 by last 7, 2 safety)`, and what has changed. */
export function rotationCounts({
  kept,
  keptBy,
  removed,
  retired,
  reinstated,
  needed,
}: RotationReport): string[] {
  const why = keptBy.map((one) => `${one.count} ${one.why}`).join(', ')
  return [
    `${kept} kept${why === '' ? '' : ` (${why})`}`,
    ...(reinstated.length === 0 ? [] : [`${reinstated.length} brought back`]),
    ...(removed.length === 0 ? [] : [`${removed.length} removed`]),
    ...(retired.length === 0 ? [] : [`${retired.length} retired`]),
    ...(needed === 0
      ? []
      : [`${needed} on disk only because newer ones build on ${needed === 1 ? 'it' : 'them'}`]),
  ]
}

function totalLine(report: PullReport): string {
  const outcomes = ['done', 'skipped', 'partial', 'failed', 'locked', 'interrupted'] as const
  const counts = outcomes
    .map((outcome) => [outcome, report.hosts.filter((host) => host.outcome === outcome).length] as const)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome === 'partial' ? 'in part' : outcome}`)
  return `${formatCount(report.hosts.length, 'host')} in ${formatDuration(report.duration)}: ${counts.join(', ')}`
}
