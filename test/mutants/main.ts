import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Fault } from './fault.ts'
import { TABLE } from './faults/index.ts'
import { PURE_FOLDERS, runStryker } from './run-stryker.ts'
import { runTable } from './run-table.ts'

const HELP = `Faults in the code that tests must notice.

  npm run mutants -- --table                 the faults made by hand, one after the other
  npm run mutants -- --table --area vault    those of an area (may be given more than once)
  npm run mutants -- --table --only NAME     one of them (may be given more than once)
  npm run mutants                            StrykerJS over the pure folders, hours
  npm run mutants -- --folder retention      StrykerJS over one of them (may be given more than once)

Areas: ${Object.keys(TABLE).join(', ')}.
Folders: ${PURE_FOLDERS.join(', ')}.
Exit code: 0 all are noticed, 4 one of the table is not, 1 it could not be found out, 2 wrong usage.
`

class UsageError extends Error {}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      table: { type: 'boolean', default: false },
      area: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', multiple: true, default: [] },
      folder: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    say(HELP)
    return 0
  }
  const checkout = resolve(import.meta.dirname, '../..')
  if (!values.table) {
    if (values.area.length + values.only.length > 0) throw new UsageError('--area and --only go with --table')
    const folders = named(values.folder, PURE_FOLDERS, 'folder')
    await runStryker(checkout, folders, resolve('reports/mutants'), say, signal)
    return 0
  }
  if (values.folder.length > 0) throw new UsageError('--folder is for StrykerJS, without --table')
  const faults = selected(values.area, values.only)
  return (await runTable(checkout, faults, say, signal)).length === 0 ? 0 : 4
}

function selected(areas: readonly string[], only: readonly string[]): Fault[] {
  const faults = named(areas, Object.keys(TABLE), 'area').flatMap((area) => TABLE[area] ?? [])
  const names = named(
    only,
    faults.map(({ name }) => name),
    'fault',
  )
  return faults.filter(({ name }) => names.includes(name))
}

/** Those that were asked for, all when none was. */
function named(asked: readonly string[], known: readonly string[], kind: string): readonly string[] {
  const unknown = asked.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new UsageError(`there is no ${kind} ${unknown.join(', ')}`)
  return asked.length === 0 ? known : asked
}

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => interrupted.abort())

try {
  process.exitCode = await main(process.argv.slice(2), interrupted.signal)
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const usage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS')
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = interrupted.signal.aborted ? 130 : usage ? 2 : 1
}
