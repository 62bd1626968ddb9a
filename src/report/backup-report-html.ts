import type { BackupReport, ReportedHost, ReportedSource } from '../model/backup-report.ts'
import { printable } from '../model/path-bytes.ts'
import { formatSize } from '../model/units.ts'
import { hostFacts, minuteOf, reportTitle, vaultLine } from './backup-report-text.ts'
import { formatPace } from './usage-screen.ts'

// One file: no script, and nothing that is loaded from elsewhere. A mail program that drops the styles or the charts
// leaves tables that say the same. Many of them know no custom properties, so each colour stands where it is used.

const STYLE = `
:root { color-scheme: light dark }
body { margin: 0; background: #ffffff; color: #1d2127; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem }
h1 { font-size: 1.35rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; border-top: 1px solid #d9dee4; padding-top: 1.2rem }
p, ul { margin: .3rem 0 }
ul { padding-left: 1.2rem }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d9dee4; vertical-align: middle }
th { font-weight: 600 }
th, .soft { color: #5c6570 }
td.number, th.number { text-align: right; white-space: nowrap }
.good { color: #1c7a3f }
.bad { color: #b3261e }
.attention { background: #fdeceb; border-left: 4px solid #b3261e; padding: .5rem .8rem; margin: .6rem 0 }
svg { display: block; width: 100%; min-width: 9rem; height: 3rem }
.area { fill: #2f6fde; opacity: .18 }
.line { fill: none; stroke: #2f6fde; stroke-width: 2; vector-effect: non-scaling-stroke }
@media (prefers-color-scheme: dark) {
  body { background: #15181c; color: #e7eaee }
  h2, th, td { border-color: #343b44 }
  th, .soft { color: #a2abb6 }
  .good { color: #6fd08c }
  .bad { color: #ff8a80 }
  .attention { background: #3a1f1e; border-color: #ff8a80 }
  .area { fill: #7fa9ff }
  .line { stroke: #7fa9ff }
}
`

/** A report as one HTML document, for a browser and for mail, in light and in dark. */
export function renderReportHtml(report: BackupReport): string {
  const { attention, hosts, machine, from, to } = report
  const first =
    attention.length === 0
      ? '<p class="good">Nothing needs attention.</p>'
      : attention
          .map(
            ({ host, message, next }) =>
              `<div class="attention"><strong class="bad">${text(host ?? 'vault')}</strong>: ${text(message)}<br><span class="soft">Next: ${text(next)}</span></div>`,
          )
          .join('\n')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${text(`Backups of ${machine}: ${reportTitle(report)}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${text(`Backups of ${machine}`)}</h1>
<p class="soft">${text(`${minuteOf(from)} to ${minuteOf(to)}`)}</p>
${first}
${hosts.map(hostSection).join('\n')}
<h2>Vault</h2>
<p>${text(vaultLine(report).replace(/^vault: /, ''))}</p>
</main>
</body>
</html>
`
}

function hostSection(host: ReportedHost): string {
  const facts = hostFacts(host).map((line) => `<li>${text(line)}</li>`)
  const failures = host.failures.map(
    ({ at, operation, reason }) =>
      `<tr><td>${text(minuteOf(at))}</td><td>${text(operation)}</td><td class="bad">${text(reason)}</td></tr>`,
  )
  return [
    `<h2>${text(host.host)}</h2>`,
    `<ul>${facts.join('')}</ul>`,
    ...(failures.length === 0
      ? []
      : [`<table><tr><th>when</th><th>run</th><th>why it failed</th></tr>${failures.join('')}</table>`]),
    ...(host.sources.length === 0
      ? []
      : [
          `<table><tr><th>source</th><th class="number">size</th><th class="number">a day</th><th>30 days</th></tr>${host.sources.map(sourceRow).join('')}</table>`,
        ]),
  ].join('\n')
}

function sourceRow({ source, sizes, growth }: ReportedSource): string {
  const last = sizes.at(-1)
  return `<tr><td>${text(source)}</td><td class="number">${last === undefined ? '-' : formatSize(last.bytes)}</td><td class="number">${formatPace(growth)}</td><td>${chart(source, sizes)}</td></tr>`
}

/** Of a chart's own coordinates. */
const WIDTH = 300
const HEIGHT = 48
const EDGE = 3

/** The sizes over time, from 0 on: a small change looks small. */
function chart(source: string, sizes: ReportedSource['sizes']): string {
  const [first, last] = [sizes[0], sizes.at(-1)]
  if (first === undefined || last === undefined || sizes.length < 2) return '<span class="soft">-</span>'
  const [begin, end] = [Date.parse(first.at), Date.parse(last.at)]
  const most = Math.max(1, ...sizes.map(({ bytes }) => bytes))
  const points = sizes.map(({ at, bytes }) => {
    const x = end === begin ? WIDTH : ((Date.parse(at) - begin) / (end - begin)) * WIDTH
    return `${x.toFixed(1)},${(HEIGHT - EDGE - (bytes / most) * (HEIGHT - 2 * EDGE)).toFixed(1)}`
  })
  const title = `${source}: ${formatSize(first.bytes)} on ${first.at.slice(0, 10)}, ${formatSize(last.bytes)} on ${last.at.slice(0, 10)}`
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img"><title>${text(title)}</title><polygon class="area" points="0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}"/><polyline class="line" points="${points.join(' ')}"/></svg>`
}

function text(value: string): string {
  return printable(value)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
