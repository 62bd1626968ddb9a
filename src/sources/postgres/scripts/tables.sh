# Looks for, moves and removes tables of a database, as restore/scripts/lib/load.sh asks it: between the schema that they
# lie in and schemas of the restore.
# Arguments: VERB NAME TO CONTAINER HOST PORT USER CREDENTIALS MAINTENANCE LIVE TARGET RESTORE DATABASE STAGING TABLES
#   MAINTENANCE, LIVE: connection strings of libpq, of a database that is none of those, and of DATABASE. TARGET: the name of what
#   is live. RESTORE: the id that stands in all other names. STAGING: the database that the dump was loaded into first.
#   TABLES: JSON, each a table and the schemas `live`, `new`, `old` and `failed`.
# stdin: the password, a line; none where the source has none.
# include sources/postgres/lib/loader.sh

loader_verb=$1 loader_name=$2 loader_to=$3
shift 3
IFS= read -r loader_password
loader_target=$8 loader_restore=$9
loader_maintenance=$6 loader_live=$7
loader_database=${10} loader_staging=${11} loader_tables=${12}

# loader_schema NAME: which of the schemas that is, in $loader_key.
loader_schema() {
  case $1 in
    "$loader_target") loader_key=live ;;
    *"_new_$loader_restore"*) loader_key=new ;;
    *"_old_$loader_restore"*) loader_key=old ;;
    *"_failed_$loader_restore"*) loader_key=failed ;;
    *) exit 2 ;;
  esac
}

loader_rows="jsonb_to_recordset($(loader_quote "$loader_tables")) as t(\"table\" text, live text, new text, old text, failed text)"

loader_exists() {
  loader_schema "$loader_name"
  [ "$loader_key" != new ] || {
    loader_is "$loader_maintenance" "$loader_staging" "$@"
    loader_count
  }
  loader_is "$loader_maintenance" "$loader_database" "$@"
  case $loader_answer in *'there: 0') exit 1 ;; esac
  if [ "$loader_key" = live ]; then
    loader_sql "$loader_live" "select 'there: ' || count(*) from $loader_rows
      join pg_class c on c.relname = t.\"table\" join pg_namespace n on n.oid = c.relnamespace and n.nspname = t.live;" "$@"
  else
    loader_sql "$loader_live" "select 'there: ' || count(*) from $loader_rows join pg_namespace n on n.nspname = t.$loader_key;" "$@"
  fi || loader_fail
  loader_count
  exit 1
}

# What each step moves: all of it in one statement, so that it is done or not. Foreign keys of other tables that lead to a table
# that goes are made anew, to the one that comes; those of tables that another restore has set aside need not hold there.
loader_body='
declare
  parts jsonb := TABLES;
  steps text[] := STEPS;
  step text[];
  part jsonb;
  one record;
  gone oid[];
  keys jsonb := $k$[]$k$;
begin
  select coalesce(array_agg(c.oid), $k${}$k$) into gone
    from jsonb_array_elements(parts) p join pg_namespace n on n.nspname = p ->> $k$live$k$
    join pg_class c on c.relnamespace = n.oid and c.relname = p ->> $k$table$k$;
  for one in select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any(gone) order by c.oid loop
    execute format($k$lock table %I.%I in access exclusive mode$k$, one.nspname, one.relname);
  end loop;
  for one in
    select c.conname as name, c.conrelid::regclass::text as rel, pg_get_constraintdef(c.oid) as def,
      obj_description(c.oid, $k$pg_constraint$k$) as said, n.nspname ~ $k$_(new|old|failed)_[0-9]{8}T[0-9]{6}Z$$k$ as aside
    from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_namespace n on n.oid = r.relnamespace
    where c.contype = $k$f$k$ and c.confrelid = any(gone) and not c.conrelid = any(gone)
      and coalesce(to_jsonb(c) ->> $k$conparentid$k$, $k$0$k$) = $k$0$k$
    order by 2, 1
  loop
    keys := keys || jsonb_build_array(to_jsonb(one));
    execute format($k$alter table %s drop constraint %I$k$, one.rel, one.name);
  end loop;
  foreach step slice 1 in array steps loop
    for part in select value from jsonb_array_elements(parts) loop
      continue when to_regclass(format($k$%I.%I$k$, part ->> step[1], part ->> $k$table$k$)) is null;
      if step[2] <> $k$live$k$ then
        execute format($k$create schema if not exists %I$k$, part ->> step[2]);
      end if;
      for one in
        select n.nspname, s.stxname from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
        where s.stxrelid = to_regclass(format($k$%I.%I$k$, part ->> step[1], part ->> $k$table$k$)) and n.nspname = part ->> step[1]
      loop
        execute format($k$alter statistics %I.%I set schema %I$k$, one.nspname, one.stxname, part ->> step[2]);
      end loop;
      execute format($k$alter table %I.%I set schema %I$k$, part ->> step[1], part ->> $k$table$k$, part ->> step[2]);
    end loop;
  end loop;
  for part in select value from jsonb_array_elements(keys) loop
    execute format($k$alter table %s add constraint %I %s$k$, part ->> $k$rel$k$, part ->> $k$name$k$, part ->> $k$def$k$) ||
      case when (part ->> $k$aside$k$)::boolean and part ->> $k$def$k$ !~ $k$NOT VALID$$k$ then $k$ not valid$k$ else $k$$k$ end;
    if part ->> $k$said$k$ is not null then
      execute format($k$comment on constraint %I on %s is %L$k$, part ->> $k$name$k$, part ->> $k$rel$k$, part ->> $k$said$k$);
    end if;
  end loop;
  for one in
    select distinct n.nspname from jsonb_array_elements(parts) p
    join pg_namespace n on n.nspname in (p ->> $k$new$k$, p ->> $k$old$k$, p ->> $k$failed$k$)
    where not exists (select from pg_class c where c.relnamespace = n.oid)
  loop
    execute format($k$drop schema %I$k$, one.nspname);
  end loop;
end
'

# loader_move STEPS PLACE...
loader_move() {
  loader_steps=$1
  shift
  # In pieces: sed would take letters of the names for its own.
  loader_tail=${loader_body#*TABLES}
  loader_text=${loader_body%%TABLES*}$(loader_quote "$loader_tables")${loader_tail%%STEPS*}$loader_steps${loader_tail#*STEPS}
  loader_sql "$loader_live" "do $(loader_quote "$loader_text");" "$@" || loader_fail
}

loader_drop() {
  loader_schema "$loader_name"
  case $loader_key in
    live) exit 2 ;;
    new)
      loader_drops="select format('drop schema if exists %I cascade', s) from (select distinct t.new as s from $loader_rows) d \\gexec"
      ;;
    *)
      loader_drops="begin;
select 'drop table ' || string_agg(format('%I.%I', t.$loader_key, t.\"table\"), ', ') from $loader_rows
  where to_regclass(format('%I.%I', t.$loader_key, t.\"table\")) is not null having count(*) > 0 \\gexec
select format('drop schema if exists %I', s) from (select distinct t.$loader_key as s from $loader_rows) d \\gexec
commit;"
      ;;
  esac
  loader_sql "$loader_live" "$loader_drops" "$@" || loader_fail
  [ "$loader_key" = new ] || exit 0
  loader_drop_staging "$loader_maintenance" "$loader_staging" "$@"
}

case $loader_verb in
  exists) loader_exists "$@" ;;
  rename)
    loader_schema "$loader_name"
    loader_from=$loader_key
    loader_schema "$loader_to"
    loader_move "array[['$loader_from', '$loader_key']]" "$@"
    ;;
  switch) loader_move "array[['live', 'old'], ['new', 'live']]" "$@" ;;
  back) loader_move "array[['live', 'failed'], ['old', 'live']]" "$@" ;;
  drop) loader_drop "$@" ;;
  *) exit 2 ;;
esac
