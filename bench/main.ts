import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureTools } from '../test/lab/install.ts'
import type { Measurement, Sample } from './contract.ts'
import { startLab } from './lab.ts'
import { type BenchOptions, HELP, parseOptions } from './options.ts'
import { describeMachine } from './report/machine.ts'
import type { Report } from './report/rows.ts'
import { renderSvg } from './report/svg.ts'
import { renderMarkdown, renderText } from './report/text.ts'
import { judge } from './targets.ts'

const TOOLS = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'redis-server': 'redis-server',
  gpg: 'gnupg',
  zstd: 'zstd',
  ip: 'iproute2',
  python3: 'python3',
  time: 'time',
  rsync: 'rsync',
  restic: 'restic',
  borg: 'borgbackup',
}

/** Runs the scenarios one after another; what they found goes to stdout, what they do to stderr. */
async function bench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  ensureTools(TOOLS)
  const measurements = await runScenarios(options, signal)
  const report: Report = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    machine: describeMachine(),
    rounds: options.rounds,
    scale: options.scale,
    targets: judge(measurements),
    measurements,
  }
  const json = `${JSON.stringify(report, null, 2)}\n`
  process.stdout.write(options.json ? json : `${renderText(report)}\n`)
  if (options.out === undefined) return
  await mkdir(options.out, { recursive: true })
  await writeFile(join(options.out, 'results.json'), json)
  await writeFile(join(options.out, 'RESULTS.md'), renderMarkdown(report))
  await writeFile(join(options.out, 'chart.svg'), renderSvg(report))
}

async function runScenarios(
  { scenarios, rounds, scale }: BenchOptions,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const measurements: (Measurement & { readonly samples: Sample[] })[] = []
  for (const { name, run } of scenarios) {
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
  return measurements
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
