import { UsageError } from '../../../errors.ts'
import { didYouMean } from '../../../model/nearest.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { DumpedObject } from '../../kind.ts'
import type { PostgresSourceConfig, WantedTable } from '../config.ts'

/**
 * The same source with only these tables, each as `DATABASE.SCHEMA.TABLE`; `*` stands for anything. Throws UsageError for
 * what is not in the snapshot, and for what is no table.
 */
export function selectTables(
  config: PostgresSourceConfig,
  parts: readonly string[],
  objects: readonly DumpedObject[],
): PostgresSourceConfig {
  if (config.beside !== undefined) {
    throw new UsageError(
      '--target puts a whole database beside what is live, and --path a table in its place',
      {
        source: config.name,
        next: 'Leave out one of the two.',
      },
    )
  }
  const found = new Map<string, WantedTable>()
  for (const part of parts)
    for (const object of matching(config, part, objects)) found.set(nameOf(object), tableOf(config, object))
  return { ...config, tables: [...found.values()] }
}

/** As it is written in `--path`. */
function nameOf({ part, name }: DumpedObject): string {
  return `${part}.${name}`
}

function matching(
  { name: source }: PostgresSourceConfig,
  asked: string,
  objects: readonly DumpedObject[],
): readonly DumpedObject[] {
  const tables = objects.filter(({ type }) => type === 'table')
  const exact = objects.filter((object) => nameOf(object) === asked)
  const table = exact.find(({ type }) => type === 'table')
  if (table !== undefined) return [table]
  const pattern = new RegExp(
    `^${asked
      .split('*')
      .map((piece) => piece.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`))
      .join('.*')}$`,
    's',
  )
  const alike = asked.includes('*') ? tables.filter((object) => pattern.test(nameOf(object))) : []
  if (alike.length > 0) return alike
  const [other] = exact
  if (other !== undefined) {
    throw new UsageError(`${printable(asked)} is no table: it is a ${other.type}`, {
      source,
      next: `Restore its database: --source ${source}`,
    })
  }
  const hint = didYouMean(asked, tables.map(nameOf))
  throw new UsageError(`${source} has no table ${printable(asked)} in this snapshot`, {
    source,
    next: `${hint}Name it like ${source}:DATABASE.SCHEMA.TABLE`,
  })
}

function tableOf(
  { name: source }: PostgresSourceConfig,
  { part, name, rows = 0 }: DumpedObject,
): WantedTable {
  const [schema = '', table = '', ...more] = name.split('.')
  if (more.length === 0) return { database: part, schema, table, rows }
  throw new UsageError(`Which part of ${printable(name)} is the schema can't be told: it has several dots`, {
    source,
    next: `Restore its database: --source ${source}`,
  })
}
