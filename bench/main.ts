import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensurePrograms } from '../test/lab/install.ts'
import { PROGRAMS } from '../test/lab/programs.ts'
import type { Measurement, Sample, Scenario } from './contract.ts'
import { startLab } from './lab.ts'
import { type BenchOptions, HELP, parseOptions } from './options.ts'
import { describeMachine } from './report/machine.ts'
import type { Report } from './report/rows.ts'
import { renderSvg } from './report/svg.ts'
import { renderMarkdown, renderText } from './report/text.ts'
import { judge } from './targets.ts'

/** Runs the scenarios one after another; what they found goes to stdout, what they do to stderr. */
async function bench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  await ensurePrograms(PROGRAMS)
  const measurements: Measured[] = []
  let report: Report | undefined
  for (const scenario of options.scenarios) {
    await runScenario(scenario, options, measurements, signal)
    report = reportOf(options, measurements)
    // After each: a full run takes a quarter of an hour, and what is known is known.
    if (options.out !== undefined) await writeReport(options.out, report)
  }
  if (report !== undefined) process.stdout.write(options.json ? toJson(report) : `${renderText(report)}\n`)
}

function reportOf({ rounds, scale }: BenchOptions, measurements: readonly Measurement[]): Report {
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    machine: describeMachine(),
    rounds,
    scale,
    targets: judge(measurements),
    measurements,
  }
}

async function writeReport(out: string, report: Report): Promise<void> {
  await mkdir(out, { recursive: true })
  await writeFile(join(out, 'results.json'), toJson(report))
  await writeFile(join(out, 'RESULTS.md'), renderMarkdown(report))
  await writeFile(join(out, 'chart.svg'), renderSvg(report))
}

function toJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`
}

type Measured = Measurement & { readonly samples: Sample[] }

async function runScenario(
  { name, run }: Scenario,
  { rounds, scale }: BenchOptions,
  measurements: Measured[],
  signal: AbortSignal,
): Promise<void> {
  const say = (line: string) => process.stderr.write(`${name}: ${line}\n`)
  await using lab = await startLab([], signal)
  await run({
    lab,
    rounds,
    scale,
    signal,
    say,
    record(step, who, sample) {
      let found = measurements.find((one) => one.scenario === name && one.step === step && one.who === who)
      if (found === undefined) measurements.push((found = { scenario: name, step, who, samples: [] }))
      found.samples.push(sample)
      say(`${who}, ${step}: ${sample.seconds.toFixed(2)} s`)
    },
  })
}

const controller = new AbortController()
// Servers, namespaces and temporary directories are taken away also when somebody has seen enough.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => controller.abort(new Error(`ended by ${name}`)))
}
try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(HELP)
  else await bench(options, controller.signal)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
