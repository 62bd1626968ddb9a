import type { Finding } from '../../../model/finding.ts'
import { printable } from '../../../model/path-bytes.ts'
import type { RestoreContext, RestorePreflight } from '../../contract.ts'
import type { ServerLook } from '../catalogue.ts'
import type { WantedTable } from '../config.ts'
import { literal, type Server } from '../server.ts'
import { Session } from '../session.ts'
import { schemaFindings } from '../schema-findings.ts'

/** What a table of a live database is, and what holds on to it. */
interface TableLook {
  readonly oid: number
  readonly ordinary: boolean
  readonly ours: boolean
  readonly partition: boolean
  readonly publications: readonly string[]
  /** What PostgreSQL calls what would go on using the old one. */
  readonly users: readonly string[]
  /** Tables whose foreign keys lead to it. */
  readonly keys: readonly string[]
}

/** Whether tables can be replaced by themselves: what else there is must go on with the new ones. Changes nothing. */
export async function judgeTables(
  context: RestoreContext,
  server: Server,
  { databases }: ServerLook,
  tables: readonly WantedTable[],
): Promise<RestorePreflight> {
  const findings: Finding[] = []
  const notes: string[] = []
  const fail = (check: string, message: string, next: string): void => {
    findings.push({ check, outcome: 'failed', message, next })
  }
  for (const database of new Set(tables.map((table) => table.database))) {
    if (!databases.some(({ name }) => name === database)) {
      fail(
        'postgres-database-missing',
        `${server.title} has no database ${printable(database)} to put a table into`,
        'Restore the whole database: leave out --path.',
      )
      continue
    }
    await using session = await Session.open(server, database, context.signal)
    findings.push(...(await schemaFindings(session, server, database)))
    const own = tables.filter((table) => table.database === database)
    for (const table of own) {
      const name = printable(`${database}.${table.schema}.${table.table}`)
      const look = await lookAtTable(session, table)
      if (look === undefined) {
        notes.push(`${name} is made new`)
        continue
      }
      const others = look.keys.filter((key) => !own.some((one) => key === `${one.schema}.${one.table}`))
      notes.push(
        `${name} is loaded beside the one that is there and switched with it in one transaction` +
          (others.length === 0
            ? ''
            : `; foreign keys of ${others.map(printable).join(', ')} lead to the new one, and refuse it where it lacks a row`),
      )
      const whole = 'Restore the whole database, or put it beside (--target NAME) and copy the rows by hand.'
      if (!look.ordinary) fail('postgres-table-kind', `${name} is no table any more`, whole)
      if (!look.ours) {
        fail(
          'postgres-privilege',
          `only the owner of ${name} may replace it`,
          'Restore as its owner, as a member of it, or as a superuser.',
        )
      }
      if (look.partition) {
        fail('postgres-table-partition', `${name} is a part of another table, or has parts of its own`, whole)
      }
      if (look.publications.length > 0) {
        fail(
          'postgres-table-published',
          `${name} is published by ${look.publications.map(printable).join(', ')}, which would go on with the old one`,
          'Take it out of the publication first (alter publication … drop table …), and put it back in behind the restore.',
        )
      }
      if (look.users.length > 0) {
        fail(
          'postgres-table-used',
          `${name} can't be replaced by itself: ${look.users.map(printable).join(', ')} would go on using the old one`,
          `Drop these first and make them again behind the restore. Or: ${whole}`,
        )
      }
    }
  }
  return { findings, notes: [...notes, 'what else is in the database stays as it is'] }
}

async function lookAtTable(session: Session, { schema, table }: WantedTable): Promise<TableLook | undefined> {
  const [found] = await session.rows<TableLook>(
    `with t as (
       select c.* from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = ${literal(schema)} and c.relname = ${literal(table)}),
     own as (
       select 'pg_class'::regclass as class, oid from t
       union all select 'pg_type'::regclass, reltype from t
       union all select 'pg_type'::regclass, y.typarray from t join pg_type y on y.oid = t.reltype
       union all select 'pg_class'::regclass, d.objid from t join pg_depend d
         on d.refobjid = t.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass
         and d.deptype in ('a', 'i') join pg_class s on s.oid = d.objid and s.relkind = 'S')
     select t.oid::bigint as oid, t.relkind = 'r' as ordinary, pg_has_role(t.relowner, 'usage') as ours,
       t.relispartition or exists (select from pg_inherits i where t.oid in (i.inhrelid, i.inhparent)) as partition,
       array(select p.pubname from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
         where r.prrelid = t.oid order by 1) as publications,
       array(select distinct n.nspname || '.' || r.relname from pg_constraint c
         join pg_class r on r.oid = c.conrelid join pg_namespace n on n.oid = r.relnamespace
         where c.contype = 'f' and c.confrelid = t.oid and c.conrelid <> t.oid order by 1) as keys,
       array(select distinct pg_describe_object(d.classid, d.objid, 0) from pg_depend d
         join own o on o.class = d.refclassid and o.oid = d.refobjid
         where d.deptype = 'n' and not (
           d.classid = 'pg_constraint'::regclass and exists (
             select from pg_constraint c where c.oid = d.objid and (c.contype = 'f' or c.conrelid = t.oid))
           or d.classid = 'pg_attrdef'::regclass and exists (select from pg_attrdef a where a.oid = d.objid and a.adrelid = t.oid)
           or d.classid = 'pg_trigger'::regclass and exists (select from pg_trigger g where g.oid = d.objid and g.tgrelid = t.oid)
           or d.classid = 'pg_policy'::regclass and exists (select from pg_policy p where p.oid = d.objid and p.polrelid = t.oid)
           or d.classid = 'pg_rewrite'::regclass and exists (select from pg_rewrite w where w.oid = d.objid and w.ev_class = t.oid)
           or d.classid = 'pg_class'::regclass and exists (select from pg_index x where x.indexrelid = d.objid and x.indrelid = t.oid))
         order by 1) as users
     from t`,
  )
  return found
}
