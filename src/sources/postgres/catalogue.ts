import { createHash } from 'node:crypto'
import type { StreamObject } from '../../archive/contract.ts'
import type { ArchiveEntry } from './archive.ts'
import type { DatabaseFacts, DatabaseLocale } from './facts.ts'
import { identifier, literal } from './server.ts'
import type { Session } from './session.ts'

/** A database of a server. */
export interface Database {
  readonly name: string
  readonly owner: string
  readonly locale: DatabaseLocale
  readonly connectable: boolean
  /** We may log in to it. */
  readonly allowed: boolean
  /** We may rename it, as its owner may. */
  readonly ours: boolean
  /** On its disk. */
  readonly bytes: number | null
}

/** What a server says of itself. */
export interface ServerLook {
  /** `15.8`. */
  readonly version: string
  readonly superuser: boolean
  readonly createdb: boolean
  /** It follows another server, and takes no writes. */
  readonly replica: boolean
  /** All but templates. */
  readonly databases: readonly Database[]
}

/** Asks a server what it is and has. */
export async function lookAtServer(session: Session): Promise<ServerLook> {
  const [self] = await session.rows<Omit<ServerLook, 'databases'>>(
    `select split_part(current_setting('server_version'), ' ', 1) as version,
       rolsuper as superuser,
       rolcreatedb or rolsuper as createdb, pg_is_in_recovery() as replica
     from pg_roles where rolname = current_user`,
  )
  if (self === undefined) throw new Error('PostgreSQL knows no current user')
  // Columns of later versions are asked for as JSON: where they are not there, they are null.
  const databases = await session.rows<Database>(
    `select datname as name, pg_get_userbyid(datdba) as owner, datallowconn as connectable,
       has_database_privilege(oid, 'connect') as allowed, pg_has_role(datdba, 'usage') as ours,
       jsonb_strip_nulls(jsonb_build_object('encoding', pg_encoding_to_char(encoding),
         'collate', datcollate, 'ctype', datctype,
         'provider', case to_jsonb(d) ->> 'datlocprovider' when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end,
         'name', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
         'icuRules', to_jsonb(d) ->> 'daticurules')) as locale,
       case when has_database_privilege(oid, 'connect') then pg_database_size(oid) end as bytes
     from pg_database d where not datistemplate order by datname`,
  )
  return { ...self, databases }
}

/** A database looked at in one snapshot of it: what goes to the manifest, and what goes to the index. */
export interface DatabaseLook {
  readonly facts: Omit<DatabaseFacts, 'owner' | 'locale'>
  readonly objects: readonly StreamObject[]
}

/** Schemas that hold what restores of single tables have set aside. */
const SET_ASIDE = `'_(old|new|failed)_[0-9]{8}T[0-9]{6}Z$'`
const OWN = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname !~ ${SET_ASIDE}`
/** What an extension made comes back with the extension. */
const notOfExtension = (catalogue: string, oid: string) =>
  `not exists (select 1 from pg_depend e where e.classid = '${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`

interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly type: string
  readonly bytes: number
  readonly definition: string
  /** A materialised view without data has no rows, and can't be asked for them. */
  readonly populated: boolean
}

/** What can be looked at row by row. */
const COUNTED: ReadonlySet<string> = new Set(['table', 'materialised view'])

/** Counts the rows of every table exactly, and hashes what there is. Takes as long as reading all tables does. */
export async function lookAtDatabase(
  session: Session,
  { rows = true }: { readonly rows?: boolean } = {},
): Promise<DatabaseLook> {
  const relations = await session.rows<Relation>(
    `select c.oid::bigint as oid, n.nspname as schema, c.relname as name,
       case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'm' then 'materialised view'
         when 'v' then 'view' when 'S' then 'sequence' when 'f' then 'foreign table' when 'i' then 'index'
         when 'I' then 'index' else 'type' end as type,
       pg_relation_size(c.oid) as bytes, c.relispopulated as populated,
       coalesce((select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ||
           case when a.attnotnull then ' not null' else '' end ||
           coalesce(to_jsonb(a) ->> 'attidentity', ''), ', ' order by a.attnum)
         from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '') as definition
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where ${OWN} and ${notOfExtension('pg_class', 'c.oid')} and c.relkind <> 't'
       and not exists (select 1 from pg_index x where x.indexrelid = c.oid and not ${notOfExtension('pg_class', 'x.indrelid')})
     order by n.nspname, c.relname`,
  )
  const others = await session.rows<Pick<Relation, 'schema' | 'name' | 'type' | 'definition'>>(
    `select n.nspname as schema, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name,
       'function' as type, p.prosrc as definition
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where ${OWN} and ${notOfExtension('pg_proc', 'p.oid')}
     union all
     select n.nspname, c.relname || '.' || t.tgname, 'trigger', t.tgenabled::text || t.tgtype::text
     from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
     where ${OWN} and ${notOfExtension('pg_class', 'c.oid')} and not t.tgisinternal
     union all
     select n.nspname, c.relname || '.' || o.conname, 'constraint', o.contype::text || o.convalidated::text
     from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
     where ${OWN} and ${notOfExtension('pg_class', 'c.oid')} and o.contype in ('c', 'f', 'p', 'u', 'x')
     union all
     select n.nspname, c.relname || '.' || p.polname, 'policy', p.polcmd::text
     from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
     where ${OWN} and ${notOfExtension('pg_class', 'c.oid')}
     union all
     select n.nspname, t.typname, 'enum', string_agg(e.enumlabel, ',' order by e.enumsortorder)
     from pg_enum e join pg_type t on t.oid = e.enumtypid join pg_namespace n on n.oid = t.typnamespace
     where ${OWN} and ${notOfExtension('pg_type', 't.oid')} group by n.nspname, t.typname`,
  )
  const extensions = await session.rows<{ name: string; version: string }>(
    `select extname as name, extversion as version from pg_extension where extname <> 'plpgsql' order by extname`,
  )
  const tablespaces = await session.rows<{ name: string }>(
    `select distinct t.spcname as name from pg_class c join pg_tablespace t on t.oid = c.reltablespace
     where t.spcname <> 'pg_global' order by 1`,
  )
  const [large] = await session.rows<{ count: number }>(
    'select count(*) as count from pg_largeobject_metadata',
  )
  const objects: StreamObject[] = []
  for (const relation of relations) {
    const { schema, name, type, bytes } = relation
    const asked = COUNTED.has(type) && relation.populated
    const counted = asked ? (rows ? await countRows(session, relation) : 0) : undefined
    objects.push({
      name: `${schema}.${name}`,
      type,
      ...(counted === undefined ? {} : { rows: counted, bytes: rows ? bytes : 0 }),
      definition: sha256(relation.definition),
    })
  }
  for (const { schema, name, type, definition } of others)
    objects.push({ name: `${schema}.${name}`, type, definition: sha256(definition) })
  if (rows && (large?.count ?? 0) > 0)
    objects.push({ name: 'large objects', type: 'large objects', rows: large!.count })
  const facts = {
    ...countsOf(objects),
    extensions: versionsOf(extensions),
    ...(tablespaces.length === 0 ? {} : { tablespaces: tablespaces.map(({ name }) => name) }),
  }
  return { facts, objects }
}

async function countRows(session: Session, { schema, name }: Relation): Promise<number> {
  const [counted] = await session.rows<{ rows: number }>(
    `select count(*) as rows from only ${identifier(schema)}.${identifier(name)}`,
  )
  return counted?.rows ?? 0
}

function countsOf(
  objects: readonly StreamObject[],
): Pick<DatabaseLook['facts'], 'tables' | 'rows' | 'counts' | 'definitions'> {
  // A restore makes materialised views anew, from what is there by then.
  const counted = objects.filter(({ rows, type }) => rows !== undefined && type !== 'materialised view')
  const hashed = (lines: readonly string[]): string => sha256([...lines].sort().join('\n'))
  return {
    tables: counted.filter(({ type }) => type === 'table').length,
    rows: counted.reduce((sum, { rows = 0 }) => sum + rows, 0),
    counts: hashed(counted.map(({ type, name, rows }) => JSON.stringify([type, name, rows]))),
    definitions: hashed(
      objects.map(({ type, name, definition }) => JSON.stringify([type, name, definition])),
    ),
  }
}

function versionsOf(extensions: readonly { name: string; version: string }[]): Record<string, string> {
  return Object.fromEntries(extensions.map(({ name, version }) => [name, version]))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/**
 * Keeps all tables as they are, but for their rows, until the transaction ends that this begins. What is emptied by
 * TRUNCATE would be empty for everybody, whatever their snapshot (PostgreSQL's manual, "Caveats" of MVCC), so the locks
 * come before the snapshot. Throws SourceError when one of the tables goes meanwhile.
 */
export async function lockTables(session: Session): Promise<void> {
  const tables = await session.rows<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where ${OWN} and c.relkind in ('r', 'p')`,
  )
  await session.run('begin isolation level repeatable read read only;')
  const at = 500
  for (let from = 0; from < tables.length; from += at) {
    const names = tables.slice(from, from + at).map(({ name }) => name)
    await session.run(`lock table ${names.join(', ')} in access share mode;`)
  }
}

/** The schemas of a database that hold what restores of single tables have set aside. */
export async function schemasAside(session: Session): Promise<readonly string[]> {
  const found = await session.rows<{ name: string }>(
    `select nspname as name from pg_namespace where nspname ~ ${SET_ASIDE} order by 1`,
  )
  return found.map(({ name }) => name)
}

/** Settings and grants of a database: `alter database … set`, for all roles or one. */
export async function copySettings(session: Session, from: string, to: string): Promise<void> {
  const settings = await session.rows<{ role: string | null; name: string; value: string }>(
    `select case when s.setrole = 0 then null else pg_get_userbyid(s.setrole) end as role,
       split_part(one, '=', 1) as name, substr(one, strpos(one, '=') + 1) as value
     from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) one
     where d.datname = ${literal(from)}`,
  )
  for (const { role, name, value } of settings) {
    const whose = role === null ? '' : `role ${identifier(role)} in `
    const written = LISTS.has(name) ? listItems(value).map(literal).join(', ') : literal(value)
    await session.run(`alter ${whose}database ${identifier(to)} set ${identifier(name)} = ${written};`)
  }
  const [limits] = await session.rows<{ connections: number }>(
    `select datconnlimit as connections from pg_database d where d.datname = ${literal(from)}`,
  )
  if (limits !== undefined && limits.connections !== -1)
    await session.run(`alter database ${identifier(to)} connection limit ${limits.connections};`)
  const granted = await session.rows<{ role: string | null; privilege: string; grantable: boolean }>(
    `select case when a.grantee = 0 then null else pg_get_userbyid(a.grantee) end as role,
       a.privilege_type as privilege, a.is_grantable as grantable
     from pg_database d, aclexplode(d.datacl) a where d.datname = ${literal(from)} and a.grantee <> d.datdba`,
  )
  const [own] = await session.rows<{ set: boolean }>(
    `select datacl is not null as set from pg_database where datname = ${literal(from)}`,
  )
  if (own?.set !== true) return
  await session.run(`revoke all on database ${identifier(to)} from public;`)
  for (const { role, privilege, grantable } of granted) {
    const whom = role === null ? 'public' : identifier(role)
    const more = grantable ? ' with grant option' : ''
    await session.run(`grant ${privilege} on database ${identifier(to)} to ${whom}${more};`)
  }
}

/** What a list of names holds, as it is stored: `"$user", public`; `""` is an empty one. */
function listItems(value: string): string[] {
  const items = value.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? ['']
  return items.map((item) => (item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item))
}

/** Their values are lists of names (variable_is_guc_list_quote in src/bin/pg_dump/dumputils.c). */
const LISTS: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
])

/**
 * The same of a database that is made new, out of its dump: settings, grants and its comment. `named` is what it was called
 * when it was dumped.
 */
export async function applySettings(
  session: Session,
  entries: readonly ArchiveEntry[],
  named: string,
  to: string,
): Promise<void> {
  const own = `DATABASE ${named}`
  for (const { type, schema, name, definition } of entries) {
    const isOfAll =
      type === 'DATABASE PROPERTIES' ||
      (schema === '' && [own, `DATABASE ${identifier(named)}`].includes(name))
    if (!isOfAll || definition === '' || type === 'DATABASE') continue
    // As a string, it can't be taken for a command of psql, whatever is in it.
    const renamed = renameIn(definition, named, to)
    await session.run(`do ${literal(`begin execute ${literal(renamed)}; end`)};`)
  }
}

/** What pg_dump writes of a database as a whole, said of another one. */
export function renameIn(sql: string, named: string, to: string): string {
  const names = [named, identifier(named)].map((name) =>
    name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`),
  )
  const said = new RegExp(
    `^((?:ALTER|GRANT .*? ON|REVOKE .*? ON|COMMENT ON|ALTER ROLE .*? IN) DATABASE )(?:${names.join('|')})(?=[ ;])`,
    'gm',
  )
  return sql.replaceAll(said, (_, before: string) => before + identifier(to))
}
