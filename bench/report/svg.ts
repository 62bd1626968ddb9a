import type { Measurement } from '../contract.ts'
import { Results } from '../targets.ts'
import type { Report } from './rows.ts'

const WIDTH = 760
const LABEL = 110
const VALUE = 70
const BAR = 16
const ROW = 22
const OURS = 'relay-backup'

const GROUPS = [
  ['mixed', 'first', '400 MB in 12,000 files: first backup'],
  ['mixed', 'unchanged', '400 MB in 12,000 files: nothing changed'],
  ['mixed', 'restore', '400 MB in 12,000 files: restore'],
  ['seed', 'first', '30 MB Redis, 3 MB logs, 0.5 MB data: first backup'],
  ['seed', 'unchanged', '30 MB Redis, 3 MB logs, 0.5 MB data: nothing changed'],
] as const

/** A bar chart of the median times, one group a step; readable on light and dark pages. */
export function renderSvg({ measurements, date }: Report): string {
  const parts: string[] = []
  let y = 30
  for (const [scenario, step, title] of GROUPS) {
    const bars = barsOf(measurements, scenario, step)
    if (bars.length === 0) continue
    const longest = Math.max(...bars.map(({ seconds }) => seconds))
    parts.push(text(0, y, title, 'title'))
    y += 12
    for (const { who, seconds } of bars) {
      const length = Math.max(1, (seconds / longest) * (WIDTH - LABEL - VALUE))
      parts.push(
        text(LABEL - 8, y + 12, who, 'name'),
        `<rect x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" class="${who === OURS ? 'ours' : 'peer'}"/>`,
        text(LABEL + length + 6, y + 12, `${seconds.toFixed(2)} s`, 'value'),
      )
      y += ROW
    }
    y += 26
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Median times of backup programs over SSH">`,
    '<style>text{font:13px system-ui,sans-serif;fill:#57606a}.title{font-weight:600}.name{text-anchor:end}.ours{fill:#1f883d}.peer{fill:#8c959f}</style>',
    ...parts,
    text(0, y - 8, `Seconds, less is better. ${date}; see RESULTS.md.`, 'value'),
    '</svg>',
    '',
  ].join('\n')
}

function barsOf(measurements: readonly Measurement[], scenario: string, step: string) {
  const results = new Results(measurements)
  return measurements
    .filter((one) => one.scenario === scenario && one.step === step)
    .map(({ who }) => ({ who, seconds: results.seconds(scenario, step, who) }))
}

function text(x: number, y: number, content: string, className: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y}" class="${className}">${escaped}</text>`
}
