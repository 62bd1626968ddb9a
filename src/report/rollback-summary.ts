import { printable } from '../model/path-bytes.ts'
import type { LateFiles, RollbackReport } from '../model/rollback-report.ts'
import { formatCount, formatSize } from '../model/units.ts'

/** What a rollback did, for a person; without a trailing newline. */
export function renderRollbackReport(report: RollbackReport): string {
  return lines(report).join('\n')
}

function lines(report: RollbackReport): string[] {
  const { host } = report
  switch (report.did) {
    case 'nothing-there':
      return [`${host}: there is no deployment at ${printable(report.deployment)}, so nothing to roll back`]
    case 'no-restore':
      return [`${host}: no restore to roll back`, ...heldLines(report.held)]
    case 'undo': {
      const { outcome, restore, held, unmerged, accepted, notes } = report
      return [
        `${host}: ${outcome === 'abandoned' ? 'nothing had been replaced' : 'the old data is back, services as before'} (restore ${restore})`,
        ...heldLines(held),
        ...unmerged.map(
          ({ source, removed, changed }) =>
            `  ${source}: ${removed} removed again, ${changed} were changed since and stay`,
        ),
        ...accepted.map(({ message }) => `  ${printable(message)}`),
        ...notes.map((note) => `  ${printable(note)}`),
      ]
    }
    case 'settle': {
      const { from, to, migration, outcome, notes, before } = report
      const head = {
        nothing: 'is settled already',
        finished: 'was decided, and is closed now',
        undone: 'is undone',
      }[outcome]
      return [
        `${from} to ${to}: migration ${migration} ${head}`,
        ...notes,
        ...(before === undefined
          ? []
          : [
              `Before it came migration ${before}. If that is to be taken back: relay-backup rollback --host ${host} --restore ${before}`,
            ]),
      ]
    }
    case 'discard': {
      const { restores, bytes, removed, left, late } = report
      if (restores.length === 0 && late.length === 0) return [`${host}: nothing was set aside`]
      const spared = [...new Set(late.filter(({ kept }) => kept).map(({ id }) => id))]
      const again = spared.map((id) => `relay-backup rollback --host ${host} --discard --restore ${id}`)
      return [
        `${host}: removed ${formatSize(bytes)}`,
        ...removed.map((path) => `  ${printable(path)}`),
        ...left.map((reason) => `  left: ${printable(reason)}`),
        ...late.map((one) => `  ${one.kept ? 'left' : 'with it'}: ${describeLate(one)}`),
        ...(again.length === 0 ? [] : [`  Next: take from it what is wanted; then: ${again.join(', ')}`]),
      ]
    }
  }
}

function heldLines(held: Extract<RollbackReport, { readonly did: 'undo' }>['held']): string[] {
  return held.flatMap(({ message, next }) => [
    `  ${message}`,
    ...(next === undefined ? [] : [`  Next: ${next}`]),
  ])
}

/** One line on files that were written to what a restore has set aside. */
export function describeLate({ id, files, path, names }: Omit<LateFiles, 'kept'>): string {
  return `${formatCount(files, 'file')} written after restore ${id}, and nowhere else (${printable(names) || 'see there'}): ${printable(path)}`
}

/** The same for a program. */
export function rollbackReportToJson(report: RollbackReport): unknown {
  switch (report.did) {
    case 'nothing-there':
      return { journals: [] }
    case 'no-restore':
      return { journals: report.journals, findings: report.held }
    case 'undo': {
      const { restore, outcome, notes, held, accepted } = report
      return { restore, outcome, notes, findings: [...held, ...accepted] }
    }
    case 'settle': {
      const { migration, outcome, notes } = report
      return { migration, outcome, notes }
    }
    case 'discard': {
      const { restores, removed, left, late } = report
      if (restores.length === 0 && late.length === 0) return { removed, left }
      return { removed, left, writtenSince: late }
    }
  }
}
