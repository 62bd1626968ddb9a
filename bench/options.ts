import { parseArgs } from 'node:util'
import type { Scenario } from './contract.ts'
import { SCENARIOS } from './scenarios/all.ts'

export interface BenchOptions {
  readonly scenarios: readonly Scenario[]
  readonly rounds: number
  readonly scale: number
  /** Where results.json, RESULTS.md and chart.svg go; undefined: nowhere. */
  readonly out: string | undefined
  /** Prints the report as JSON instead of text. */
  readonly json: boolean
}

export const HELP = `npm run bench -- [scenario…] [options]

  --rounds N   how often each measurement is taken, the medians count (default: 3)
  --scale F    data of F times its size (default: 1, which the targets are about)
  --quick      one round at a twentieth of the size
  --out DIR    write results.json, RESULTS.md and chart.svg there
  --json       print the report as JSON

Scenarios (default: all):
${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}
`

/** Throws with what is wrong; undefined when help is asked for. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      scale: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const unknown = positionals.filter((name) => !SCENARIOS.some((one) => one.name === name))
  if (unknown.length > 0) throw new Error(`no such scenario: ${unknown.join(', ')}`)
  return {
    scenarios: SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '1' : '3'), /^\d+$/),
    scale: positive('--scale', values.scale ?? (values.quick ? '0.05' : '1'), /^\d*\.?\d+$/),
    out: values.out,
    json: values.json,
  }
}

function positive(option: string, text: string, form: RegExp): number {
  const value = Number(text)
  if (!form.test(text) || !(value > 0)) throw new Error(`${option} ${text}: a number above 0 is needed`)
  return value
}
