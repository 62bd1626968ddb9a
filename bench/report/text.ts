import { MEASUREMENT_HEAD, measurementRows, type Report, TARGET_HEAD, targetRows } from './rows.ts'

/** The report for a terminal. */
export function renderText(report: Report): string {
  return [
    [report.date, ...report.machine, describeRun(report)].join('\n'),
    columns([MEASUREMENT_HEAD, ...measurementRows(report.measurements)]),
    ...(report.targets.length === 0 ? [] : [columns([TARGET_HEAD, ...targetRows(report.targets)])]),
  ].join('\n\n')
}

/** RESULTS.md: the same as Markdown tables. */
export function renderMarkdown(report: Report): string {
  return [
    '# Results',
    `One run of \`npm run bench\` on ${report.date}. How to read it, and why what is missed is missed: [README.md](README.md).`,
    report.machine.map((line) => `- ${line}`).join('\n') + `\n- ${describeRun(report)}`,
    '![Median times](chart.svg)',
    '## Targets of [numbers.md](../docs/design/numbers.md)',
    markdownTable([TARGET_HEAD, ...targetRows(report.targets)]),
    '## Measurements',
    markdownTable([MEASUREMENT_HEAD, ...measurementRows(report.measurements)]),
    '',
  ].join('\n\n')
}

function describeRun({ rounds, scale }: Report): string {
  const medians = rounds === 1 ? '1 round' : `medians of ${rounds} rounds`
  return scale === 1 ? medians : `${medians}, data at ${scale} of its size: the targets are about 1`
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(rows)
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function markdownTable(cells: readonly (readonly string[])[]): string {
  const [head = [], ...rows] = cells.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = widthsOf([head, ...rows])
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(Math.max(3, width)))), ...rows.map(line)].join(
    '\n',
  )
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)))
}
