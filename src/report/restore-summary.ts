import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { RestorePlan, RestoreReport, RestoreUnit } from '../model/restore-report.ts'
import { describeProjectWhole } from '../model/server-services.ts'
import { formatCount, formatDuration, formatNumber, formatSize } from '../model/units.ts'
import { formatAge } from './format.ts'
import { createPaint, type Paint } from './paint.ts'
import { errorToJson, toolLines } from './render-error.ts'

interface Style {
  readonly color: boolean
}

/** A restore's plan for a person: what is replaced, how much, which services stop. */
export function renderRestorePlan(plan: RestorePlan, style: Style): string {
  const paint = createPaint(style.color)
  const { snapshot } = plan
  const lines = [
    `Restore ${printable(snapshot.host)}/${snapshot.id} (${formatAge(snapshot.age)}) to ${printable(plan.host)}, ${[
      plan.beside === undefined ? plan.strategy : `beside what is live, as ${plan.beside}`,
      plan.privilege,
    ]
      .flatMap((one) => one ?? [])
      .map(printable)
      .join(', ')}:`,
  ]
  for (const source of plan.sources) {
    lines.push(
      `  ${source.source} (${source.kind}): ${formatCount(source.entries, 'entry', 'entries')}, ${formatSize(source.bytes)}`,
    )
    for (const unit of plan.units.filter((one) => one.source === source.source)) {
      if (unit.onlyAside && !unit.exists) continue
      const now = unit.exists ? whatHappens(plan, unit) : 'new'
      lines.push(
        `    ${printable(unit.target)}: ${now}${unit.kind === 'children' ? ', a mount point: its children move' : ''}`,
      )
      if (plan.strategy === 'replace' && unit.exists && unit.carry.length > 0)
        lines.push(`      stays as it is there: ${unit.carry.map(printable).join(' ')}`)
    }
    for (const { target, exists, aside } of (plan.loads ?? []).filter(
      (one) => one.source === source.source,
    )) {
      if (plan.strategy === 'merge') continue
      lines.push(
        `    ${printable(target)}: ${exists ? `loaded beside it, then replaces it, kept as ${printable(aside)}` : 'new'}`,
      )
    }
    for (const note of source.notes) lines.push(`    ${printable(note)}`)
  }
  lines.push(`  ${servicesLine(plan)}`)
  lines.push(
    `  safety snapshot first: ${plan.safety ? 'yes' : 'no'}; services down for about ${formatDuration(plan.downtime)}`,
  )
  lines.push(...plan.findings.map((finding) => findingLine(finding, paint)))
  return lines.join('\n')
}

function whatHappens(plan: RestorePlan, unit: RestoreUnit): string {
  if (plan.strategy === 'merge') return 'only what is missing is added'
  if (unit.onlyAside)
    return `set aside, ${formatSize(unit.existingBytes)}, kept under ${printable(unit.base)}`
  return `replaces ${formatSize(unit.existingBytes)}, kept under ${printable(unit.base)}`
}

function servicesLine(plan: RestorePlan): string {
  const { manager, stop, data, compose } = plan.services
  if (compose === 'unknown')
    return 'services: no Compose project is known in the deployment, so none is stopped'
  if (manager === 'none') return 'services: none are stopped'
  const names = [...new Set([...stop, ...data])].map(printable).join(', ')
  const whose = compose === undefined ? manager : describeProjectWhole(compose)
  if (compose?.state === 'down')
    return `services (${whose}): it is down, so none is stopped, and none is started`
  return `services (${whose}): ${names === '' ? 'those that use the sources' : names} stop; those that run are started again`
}

function findingLine(finding: Finding, paint: Paint): string {
  const mark = { ok: paint.green('ok:'), warning: paint.yellow('warning:'), failed: paint.red('failed:') }[
    finding.outcome
  ]
  return `  ${mark} ${printable(finding.message)}${finding.next === undefined ? '' : `\n    Next: ${printable(finding.next)}`}`
}

/** What a restore did, in order, for a person. */
export function renderRestoreReport(report: RestoreReport, style: Style): string {
  const paint = createPaint(style.color)
  const { plan, error } = report
  if (report.outcome === 'planned') return renderRestorePlan(plan, style)
  const lines = [
    `${printable(plan.host)}: ${headline(report, paint)} in ${formatDuration(report.duration)} (restore ${plan.id})`,
  ]
  for (const source of report.restored) {
    lines.push(
      `  ${source.source}: ${formatCount(source.entries, 'entry', 'entries')}, ${formatSize(source.bytes)}`,
    )
  }
  for (const table of report.merged ?? []) lines.push(`    ${printable(mergedLine(table))}`)
  if (report.outcome !== 'done')
    lines.push(...report.steps.map((step) => `  ${step.at.slice(11, 19)} ${printable(step.text)}`))
  lines.push(
    ...report.findings
      // What was compared is the proof of a restore.
      .filter((finding) => finding.outcome !== 'ok' || !plan.findings.includes(finding))
      .map((finding) => findingLine(finding, paint)),
  )
  if (report.nothingStarted !== undefined) {
    const { message, start } = report.nothingStarted
    lines.push(`  services: ${message}`, `    Next: start them on the server: ${printable(start)}`)
  }
  if (report.safetySnapshot !== undefined) {
    lines.push(`  what was there before: safety snapshot ${printable(plan.host)}/${report.safetySnapshot}`)
  }
  if (report.outcome === 'done' && plan.beside !== undefined) {
    lines.push(
      `  it is ${printable(plan.beside)}, beside what is live; it goes with: relay-backup rollback --host ${printable(plan.host)} --restore ${plan.id}, and then --discard`,
    )
  }
  const isReplaced = [...plan.units, ...(plan.loads ?? [])].some(({ exists }) => exists)
  if (report.outcome === 'done' && plan.strategy === 'replace' && isReplaced) {
    lines.push(`  and on the server until: relay-backup rollback --host ${printable(plan.host)} --discard`)
  }
  if (error !== undefined) {
    lines.push(
      `  ${paint.red('error:')} ${printable(error.message)}`,
      ...toolLines(error.details.stderr, '    '),
    )
    if (error.details.next !== undefined) lines.push(`  Next: ${printable(error.details.next)}`)
  }
  return lines.join('\n')
}

const SKIPPED = {
  there: (key: string) => `there already, by ${key}`,
  taken: (key: string) => `whose ${key} another row has`,
  lost: (key: string) => `that refer to what is not there (${key})`,
} as const

/** `app.public.users: 3 rows added; skipped: 2 there already, by id`. */
function mergedLine({
  table,
  inserted,
  skipped,
  leftOut,
}: NonNullable<RestoreReport['merged']>[number]): string {
  if (leftOut !== undefined) return `${table}: left out: ${leftOut}`
  const why = skipped.map(({ rows, why, key }) => `${formatNumber(rows)} ${SKIPPED[why](key)}`)
  return `${table}: ${formatCount(inserted, 'row')} added${why.length === 0 ? '' : `; skipped: ${why.join(', ')}`}`
}

function headline(report: RestoreReport, paint: Paint): string {
  switch (report.outcome) {
    case 'planned':
    case 'done':
      return paint.green('restored')
    case 'rolled-back':
      return paint.red('failed and rolled back: the old data is in place')
    case 'failed':
      return paint.red('failed')
    case 'stuck':
      return paint.red('failed, and undoing it is stuck')
    case 'undecided':
      return paint.red('serves, and whether the other side does is not known')
  }
}

/** The same for a program: errors as plain data. */
export function restoreReportToJson(report: RestoreReport): unknown {
  return report.error === undefined ? report : { ...report, ...errorToJson(report.error) }
}
