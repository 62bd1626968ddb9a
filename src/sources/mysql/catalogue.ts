import { createHash } from 'node:crypto'
import type { StreamObject } from '../../archive/contract.ts'
import type { DatabaseFacts } from './facts.ts'
import { identifier, literal } from './server.ts'
import type { Session } from './session.ts'
import { parseServerVersion, type Version } from './version.ts'

/** A database of a server. */
export interface Database {
  readonly name: string
  readonly charset: string
  readonly collation: string
}

/** What a server says of itself. */
export interface ServerLook extends Version {
  /** `lower_case_table_names` */
  readonly lowerCase: number
  /** All that the account sees, but the server's own. */
  readonly databases: readonly Database[]
}

/** The server's own, and directories that are no databases. */
const OWN = /^(?:information_schema|performance_schema|mysql|sys|ndbinfo|#mysql50#.*)$/i

/** Asks a server what it is and has. */
export async function lookAtServer(session: Session): Promise<ServerLook> {
  const [self] = await session.rows<{ version: string; comment: string; folded: string }>(
    'select version() as version, @@version_comment as comment, @@lower_case_table_names as folded',
  )
  if (self === undefined) throw new Error('the server does not know its version')
  const databases = await session.rows<{ name: string; charset: string; collation: string }>(
    `select schema_name as name, default_character_set_name as charset, default_collation_name as collation
     from information_schema.schemata order by 1`,
  )
  return {
    ...parseServerVersion(self.version, self.comment),
    lowerCase: Number(self.folded),
    databases: databases.filter(({ name }) => !OWN.test(name)),
  }
}

/** As the server writes it: some write all names in lower case. */
export function spelled({ lowerCase }: Pick<ServerLook, 'lowerCase'>, name: string): string {
  return lowerCase === 1 ? name.toLowerCase() : name
}

/** There is a database of this name, as the server tells names apart. */
export function isThere({ databases, lowerCase }: ServerLook, name: string): boolean {
  return databases.some(
    (each) => each.name === name || (lowerCase !== 0 && each.name.toLowerCase() === name.toLowerCase()),
  )
}

/** A table, view or sequence. */
export interface Table {
  readonly name: string
  /** As its catalogue calls it: `BASE TABLE`, `VIEW`, `SYSTEM VERSIONED`, `SEQUENCE`. */
  readonly type: string
  readonly engine: string
  /** When it was made, or changed last; empty where nobody knows. */
  readonly changed: string
  /** Of its data, about. */
  readonly bytes: number
}

/** A database looked at. */
export interface DatabaseLook {
  readonly tables: readonly Table[]
  /** All that there is, with a hash of its definition, without rows. */
  readonly objects: readonly StreamObject[]
  readonly definers: readonly string[]
}

/** Their rows are in other tables, or on other servers: a dump has none of them (ignore_table_data in mysqldump.cc). */
const WITHOUT_ROWS = /^(?:MRG_MYISAM|MRG_ISAM|FEDERATED|OQGRAPH|SPIDER|CONNECT|BLACKHOLE|S3)$/i
/** An event that removes itself when its time has come: it may be gone at any moment, and can't be made after it. */
const PASSING = 'passing event'
/** What keeps to a moment that others go on from. */
const TRANSACTIONAL = /^(?:InnoDB|ndbcluster|MyRocks|ROCKSDB|TokuDB)$/i

/** Its name breaks the lines that are made of it: what makes tables, views and events in a dump is told by its line. */
export function hasOddName({ type, name }: StreamObject): boolean {
  return /^(?:table|view|sequence|.*event)$/.test(type) && /[\u0000-\u001f]/.test(name)
}

/** The names of what is there that {@link hasOddName}. */
export async function oddNames(session: Session, database: string): Promise<readonly string[]> {
  const here = literal(database)
  const found = await session.rows<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = ${here} and table_name regexp '[[:cntrl:]]'
     union select event_name from information_schema.events
     where event_schema = ${here} and event_name regexp '[[:cntrl:]]'`,
  )
  return found.map(({ name }) => name)
}

/** It stays as long as nobody changes it. */
export function lasts({ type }: StreamObject): boolean {
  return type !== PASSING
}

/** It has rows of its own, which a dump has. */
export function hasRows({ type, engine }: Table): boolean {
  return (type === 'BASE TABLE' || type === 'SYSTEM VERSIONED') && !WITHOUT_ROWS.test(engine)
}

/** It has rows, and no transactions: a dump sees what is written to it meanwhile. */
export function isUnsteady(table: Table): boolean {
  return hasRows(table) && !TRANSACTIONAL.test(table.engine)
}

/**
 * Looks at what there is in a database. Reads no rows. Definitions are told without the database's own name, so that they are
 * the same under another.
 */
export async function lookAtDatabase(session: Session, database: string): Promise<DatabaseLook> {
  const here = literal(database)
  const rows = async (query: string) => await session.rows<{ of: string; is: string }>(query)
  const tables = await session.rows<{
    name: string
    type: string
    engine: string
    collation: string
    changed: string
    bytes: string
  }>(
    `select table_name as name, table_type as type, ifnull(engine, '') as engine,
       ifnull(table_collation, '') as collation, ifnull(create_time, '') as changed, ifnull(data_length, 0) as bytes
     from information_schema.tables where table_schema = ${here} and table_type not like 'TEMPORARY%' order by 1`,
  )
  // Texts are hashed there: they may be longer than a line can be.
  const hashed = (text: string): string => `sha2(${unqualified(text, database)}, 256)`
  const columns = await rows(
    `select table_name as \`of\`, concat_ws('|', column_name, ordinal_position, column_type, is_nullable,
       ifnull(sha2(column_default, 256), 'none'), extra, ifnull(collation_name, ''),
       ifnull(sha2(generation_expression, 256), '')) as \`is\`
     from information_schema.columns where table_schema = ${here} order by table_name, ordinal_position`,
  )
  const indexes = await rows(
    `select table_name as \`of\`, concat_ws('|', 'index', index_name, non_unique, seq_in_index, ifnull(column_name, ''),
       ifnull(sub_part, ''), index_type) as \`is\`
     from information_schema.statistics where table_schema = ${here} order by table_name, index_name, seq_in_index`,
  )
  const keys = await rows(
    `select r.table_name as \`of\`, concat_ws('|', 'foreign key', r.constraint_name, r.referenced_table_name,
       r.update_rule, r.delete_rule, k.column_name, k.referenced_column_name) as \`is\`
     from information_schema.referential_constraints r join information_schema.key_column_usage k
       on k.constraint_schema = r.constraint_schema and k.constraint_name = r.constraint_name and k.table_name = r.table_name
     where r.constraint_schema = ${here} order by r.table_name, r.constraint_name, k.ordinal_position`,
  )
  const partitions = await rows(
    `select table_name as \`of\`, concat_ws('|', 'partition', partition_name, ifnull(subpartition_name, ''),
       partition_method, ifnull(partition_description, '')) as \`is\`
     from information_schema.partitions where table_schema = ${here} and partition_name is not null
     order by table_name, partition_ordinal_position, subpartition_ordinal_position`,
  )
  const views = await session.rows<{ name: string; definition: string; definer: string }>(
    `select table_name as name, concat_ws('|', ${hashed('view_definition')}, check_option, security_type) as definition,
       definer from information_schema.views where table_schema = ${here}`,
  )
  const triggers = await session.rows<{ name: string; definition: string; definer: string }>(
    `select trigger_name as name, concat_ws('|', event_object_table, action_timing, event_manipulation, sql_mode,
       sha2(action_statement, 256)) as definition, definer
     from information_schema.triggers where trigger_schema = ${here}`,
  )
  const routines = await session.rows<{ name: string; type: string; definition: string; definer: string }>(
    `select routine_name as name, lower(routine_type) as type, concat_ws('|', dtd_identifier, security_type, sql_mode,
       is_deterministic, sql_data_access, ifnull(sha2(routine_definition, 256), 'unseen')) as definition, definer
     from information_schema.routines where routine_schema = ${here}`,
  )
  const parameters = await rows(
    `select concat(lower(routine_type), ' ', specific_name) as \`of\`, concat_ws('|', ifnull(parameter_mode, ''),
       ifnull(parameter_name, ''), dtd_identifier) as \`is\`
     from information_schema.parameters where specific_schema = ${here} order by 1, ordinal_position`,
  )
  const events = await session.rows<{ name: string; ends: string; definition: string; definer: string }>(
    `select event_name as name, on_completion = 'NOT PRESERVE' and coalesce(execute_at, ends) is not null as ends, concat_ws('|', event_type, ifnull(interval_value, ''), ifnull(interval_field, ''), sql_mode,
       on_completion, sha2(event_definition, 256)) as definition, definer
     from information_schema.events where event_schema = ${here}`,
  )
  const more = grouped([...columns, ...indexes, ...keys, ...partitions])
  const moreOfRoutines = grouped(parameters)
  const ofView = new Map(views.map(({ name, definition }) => [name, definition]))
  const objects: StreamObject[] = [
    ...tables.map(({ name, type, engine, collation }) => ({
      name,
      type: typeName(type),
      definition: sha256([engine, collation, ofView.get(name), ...(more.get(name) ?? [])].join('\n')),
    })),
    ...triggers.map(({ name, definition }) => ({ name, type: 'trigger', definition: sha256(definition) })),
    ...routines.map(({ name, type, definition }) => ({
      name,
      type,
      definition: sha256([definition, ...(moreOfRoutines.get(`${type} ${name}`) ?? [])].join('\n')),
    })),
    ...events.map(({ name, ends, definition }) => ({
      name,
      type: ends === '1' ? PASSING : 'event',
      definition: sha256(definition),
    })),
  ]
  const definers = [...views, ...triggers, ...routines, ...events].map(({ definer }) => definer)
  return {
    tables: tables.map(({ bytes, ...table }) => ({ ...table, bytes: Number(bytes) })),
    objects,
    definers: [...new Set(definers)].sort(),
  }
}

/** How many rows each table has that a dump has rows of. Takes as long as reading all of them does. */
export async function countRows(
  session: Session,
  database: string,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const { name } of tables.filter(hasRows)) {
    const [counted] = await session.rows<{ rows: string }>(
      `select count(*) as \`rows\` from ${identifier(database)}.${identifier(name)}`,
    )
    counts.set(name, Number(counted?.rows))
  }
  return counts
}

/** The facts of a database: what was looked at, with the rows of each table that has some. */
export function factsOf(
  { objects, definers }: Pick<DatabaseLook, 'objects' | 'definers'>,
  rows: ReadonlyMap<string, number>,
  { charset, collation }: Pick<Database, 'charset' | 'collation'>,
): DatabaseFacts {
  const hashed = (lines: readonly string[]): string => sha256([...lines].sort().join('\n'))
  const many = (...types: readonly string[]): number =>
    objects.filter(({ type }) => types.includes(type)).length
  return {
    tables: rows.size,
    rows: [...rows.values()].reduce((sum, each) => sum + each, 0),
    counts: hashed([...rows].map(([name, count]) => JSON.stringify([name, count]))),
    definitions: hashed(
      objects.filter(lasts).map(({ type, name, definition }) => JSON.stringify([type, name, definition])),
    ),
    views: many('view'),
    triggers: many('trigger'),
    routines: many('procedure', 'function', 'package', 'package body'),
    events: many('event'),
    definers,
    charset,
    collation,
  }
}

function typeName(type: string): string {
  return type === 'BASE TABLE' || type === 'SYSTEM VERSIONED' ? 'table' : type.toLowerCase()
}

/** An expression of SQL: the text without the database's name before other names. */
function unqualified(text: string, database: string): string {
  return `replace(${text}, ${literal(`${identifier(database)}.`)}, '')`
}

function grouped(
  rows: readonly { readonly of: string; readonly is: string }[],
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const row of rows) {
    const group = groups.get(row.of)
    if (group === undefined) groups.set(row.of, [row.is])
    else group.push(row.is)
  }
  return groups
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
