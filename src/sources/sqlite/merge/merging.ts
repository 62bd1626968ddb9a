import { RemoteError, SourceError } from '../../../errors.ts'
import type { Finding } from '../../../model/finding.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { MergedTable } from '../../../model/restore-report.ts'
import type { MergingSource, RestoreContext } from '../../contract.ts'
import type { MatchKey } from '../../kind.ts'
import type { SqliteSourceConfig } from '../config.ts'
import type { SqliteFacts } from '../facts.ts'
import { isSameKey, parseTables, TABLES_QUERY, type MergeTable } from './look.ts'
import { addingStatements, inOrderOfKeys, type TableToMerge } from './statements.ts'

/**
 * How rows whose keys are free are added to databases that others may use. A journal beside each restore's is a database
 * of its own, which has what was added; it is written in the same transaction, and before the live one (SQLite commits the
 * main database first).
 */
export const mergingSqlite: MergingSource<SqliteSourceConfig, SqliteFacts> = {
  preflight: (_context, { merge = [] }, { form, databases }) => {
    const findings: Finding[] = []
    if (form !== 'copy') {
      findings.push({
        check: 'database-as-files',
        outcome: 'failed',
        message: 'it was captured as files, and nobody has opened it: rows can not be told apart',
        next: 'Restore it with --strategy replace.',
      })
    }
    for (const { table, columns } of merge) {
      const known = databases.some(({ tables = {} }) =>
        Object.keys(tables).some((name) => isNamed(table, name)),
      )
      if (known) continue
      findings.push({
        check: 'merge-match',
        outcome: 'failed',
        message: `--match ${printable(`${table}:${columns.join(',')}`)}: the snapshot has no such table`,
        next: 'Name it as the database does: users:email',
      })
    }
    const note = 'rows whose keys are free are added in one transaction; no other row changes'
    return Promise.resolve({ findings, notes: [note] })
  },
  merge: async (context, { merge = [] }, _facts, { staged, journal, target }) => {
    const [from, to] = [await tablesOf(context, staged), await tablesOf(context, target)]
    const leftOut: MergedTable[] = []
    const found = from.flatMap((table) => {
      const judged = judgeTable(table, to, merge)
      if (typeof judged !== 'string') return [judged]
      leftOut.push({ table: `${target}: ${table.name}`, inserted: 0, skipped: [], leftOut: judged })
      return []
    })
    const tables = inOrderOfKeys(found)
    const rows = await run(context, journal, addingStatements(tables, { live: target, staged }))
    const counts = rows.map((row) => {
      const [at = '', what = '', key = '', count = ''] = row.split('|')
      return { at: Number(at), what, key: Buffer.from(key, 'hex').toString('utf8'), rows: Number(count) }
    })
    const merged = tables.map(({ name }, index): MergedTable => {
      const own = counts.filter(({ at }) => at === index)
      return {
        table: `${target}: ${name}`,
        inserted: own.find(({ what }) => what === 'inserted')?.rows ?? 0,
        skipped: own.flatMap(({ what, key, rows: count }) =>
          what === 'there' || what === 'taken' || what === 'lost' ? [{ rows: count, why: what, key }] : [],
        ),
      }
    })
    const sum = (what: string): number =>
      counts.reduce((total, one) => (one.what === what ? total + one.rows : total), 0)
    return { added: sum('inserted'), existed: sum('there'), tables: [...merged, ...leftOut] }
  },
  unmerge: async (context, _config, journal) => {
    const tally = { removed: 0, changed: 0, gone: 0 }
    for (const one of await journals(context, journal)) {
      const statements = await run(context, one, 'SELECT sql FROM main.back ORDER BY at;\n').catch(
        (error: unknown) => {
          // A merge that ended before its commit has added nothing.
          if (error instanceof SourceError && /no such table/.test(error.message)) return []
          throw error
        },
      )
      if (statements.length === 0) continue
      const [said = ''] = await run(context, one, `${statements.join('\n')}\n`)
      const [removed = 0, changed = 0, gone = 0] = said.split('|').map(Number)
      tally.removed += removed
      tally.changed += changed
      tally.gone += gone
    }
    return tally
  },
}

function isNamed(asked: string, table: string): boolean {
  return asked.toLowerCase() === table.toLowerCase()
}

/** The live table that rows are added to; why there can be none. Throws SourceError where rows would lose columns. */
function judgeTable(
  { name, columns }: MergeTable,
  tables: readonly MergeTable[],
  matches: readonly MatchKey[],
): TableToMerge | string {
  const live = tables.find((table) => isNamed(table.name, name))
  if (live === undefined) return 'there is no such table by now'
  const lacking = columns.filter((column) => !live.columns.some((one) => isNamed(one.name, column.name)))
  if (lacking.length > 0) {
    throw new SourceError(
      'merge-columns',
      `${printable(name)} has no ${lacking.map((column) => printable(column.name)).join(', ')} any more, and rows of the snapshot have`,
      {
        next: 'Nothing was added. Restore it beside what is live (--target PATH), and copy the rows by hand.',
      },
    )
  }
  const shared = live.columns.filter((column) => columns.some((one) => isNamed(one.name, column.name)))
  const needed = live.columns.filter((column) => !column.optional && !shared.includes(column))
  if (needed.length > 0)
    return `it wants ${needed.map((column) => column.name).join(', ')}, which rows of the snapshot do not have`
  const named = matches.filter(({ table }) => isNamed(table, name)).map((match) => match.columns)
  const wrong = named.find((key) => !live.uniques.some((unique) => isSameKey(unique, key)))
  if (wrong !== undefined) {
    throw new SourceError(
      'merge-match',
      `${printable(wrong.join(','))} is no unique key of ${printable(name)}`,
      {
        next: 'Nothing was added. Name all columns of a unique key, parted by commas.',
      },
    )
  }
  if (live.primary.length === 0 && named.length === 0)
    return 'it has no primary key; name a unique one with --match'
  return {
    ...live,
    shared: shared.map((column) => column.name),
    known: [...(live.primary.length === 0 ? [] : [live.primary]), ...named],
    referring: tables.flatMap((table) =>
      table.foreign
        .filter(({ to }) => isNamed(to, name))
        .map((foreign) => ({ ...foreign, from: table.name })),
    ),
  }
}

async function tablesOf(context: RestoreContext, path: string): Promise<readonly MergeTable[]> {
  return parseTables(await run(context, path, TABLES_QUERY, 'there'))
}

/** Runs SQL in a database, and gives its rows. Throws SourceError for what the database refuses. */
async function run(
  context: RestoreContext,
  database: string,
  statements: string,
  ...must: readonly 'there'[]
): Promise<readonly string[]> {
  const result = await context.host.run(
    {
      script: 'sources/sqlite/merge',
      patience: 'work',
      args: [database, ...must],
      privilege: context.privilege,
      title: 'merging an SQLite database',
    },
    { stdin: Buffer.from(statements), signal: context.signal },
  )
  if (result.status === 0) return result.stdout.toString('utf8').split('\n').slice(0, -1)
  const said = result.stderr.trim()
  if (result.status === 127) {
    throw new SourceError('database-tool', said, { next: 'Install sqlite3 or python3 there.' })
  }
  const isLocked = /database is locked|database table is locked/.test(said)
  throw new SourceError(
    isLocked ? 'database-locked' : 'database-merge',
    `SQLite refuses to merge: ${printable(said.split('\n').at(-1) ?? '')}`,
    {
      exitStatus: result.status,
      stderr: said,
      next: isLocked
        ? 'Somebody holds its lock: look which process does, then restore again.'
        : 'Nothing was added. Look into the message above, or restore with --strategy replace.',
    },
  )
}

async function journals(context: RestoreContext, journal: string): Promise<readonly string[]> {
  const result = await context.host.run(
    {
      script: 'sources/sqlite/merge-journals',
      args: [journal],
      privilege: context.privilege,
      title: 'looking for journals',
    },
    { signal: context.signal },
  )
  if (result.status === 0) return result.stdout.toString('utf8').split('\n').slice(0, -1)
  throw new RemoteError('merge-journal', `The journals ${journal} can't be looked for on the server`, {
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Look into the message above on the server, then try again.',
  })
}
