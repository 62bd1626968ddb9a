import { identifier } from '../server.ts'
import type { Session } from '../session.ts'
import type { ForeignKey, MergeTable } from './statements.ts'

/** A column as the live database or the dump has it. */
interface Column {
  readonly name: string
  /** A row may go without it. */
  readonly optional: boolean
  readonly generated: boolean
  readonly sequence: string | null
}

/** A table, as far as a merge must know it. */
export interface TableOfMerge {
  readonly schema: string
  readonly table: string
  readonly columns: readonly Column[]
  readonly uniques: MergeTable['uniques']
}

/** The tables of a database that rows lie in: a partitioned one is one, and its parts are none. */
export async function lookAtTables(session: Session): Promise<readonly TableOfMerge[]> {
  return await session.rows<TableOfMerge>(
    `select n.nspname as schema, c.relname as "table",
       (select coalesce(json_agg(json_build_object('name', a.attname,
           'optional', not a.attnotnull or a.atthasdef or coalesce(to_jsonb(a) ->> 'attidentity', '') <> '',
           'generated', coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '',
           'sequence', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)) order by a.attnum), '[]')
         from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select coalesce(json_agg(json_build_object('primary', i.indisprimary, 'columns', (
           select json_agg(a.attname order by k.pos) from unnest(i.indkey::int2[]) with ordinality k(num, pos)
           join pg_attribute a on a.attrelid = c.oid and a.attnum = k.num
           where k.pos <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)))
           order by i.indisprimary desc, i.indexrelid), '[]')
         from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indexprs is null and i.indpred is null) as uniques
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and n.nspname !~ '_(old|new|failed)_[0-9]{8}T[0-9]{6}Z$'
       and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
     order by 1, 2`,
  )
}

/** All foreign keys of a database. */
export async function lookAtForeignKeys(session: Session): Promise<readonly ForeignKey[]> {
  return await session.rows<ForeignKey>(
    `select k.conname as name,
       json_build_object('schema', fn.nspname, 'table', f.relname) as "from",
       (select json_agg(a.attname order by u.pos) from unnest(k.conkey) with ordinality u(num, pos)
         join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num) as columns,
       json_build_object('schema', tn.nspname, 'table', t.relname) as "to",
       (select json_agg(a.attname order by u.pos) from unnest(k.confkey) with ordinality u(num, pos)
         join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num) as referenced
     from pg_constraint k join pg_class f on f.oid = k.conrelid join pg_namespace fn on fn.oid = f.relnamespace
     join pg_class t on t.oid = k.confrelid join pg_namespace tn on tn.oid = t.relnamespace
     where k.contype = 'f' and coalesce(to_jsonb(k) ->> 'conparentid', '0') = '0' order by k.oid`,
  )
}

/** Copies the rows of tables within a database into a schema of their own. */
export async function stageRows(
  session: Session,
  schema: string,
  tables: readonly { readonly schema: string; readonly table: string; readonly name: string }[],
): Promise<void> {
  await session.run(`create schema ${identifier(schema)};`)
  for (const { name, ...from } of tables) {
    const rows = `${identifier(from.schema)}.${identifier(from.table)}`
    await session.run(`create table ${identifier(schema)}.${identifier(name)} as select * from ${rows};`)
  }
}
