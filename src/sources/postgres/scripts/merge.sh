# Adds rows to a database that others write to, and takes them back, as restore/scripts/lib/load.sh asks it. What is said to
# the server lies in the database, in schemas of the restore: the steps that add in NEW, those that take back in OLD.
# Arguments: VERB NAME TO CONTAINER HOST PORT USER CREDENTIALS MAINTENANCE LIVE TARGET DATABASE STAGING NEW OLD FAILED
#   MAINTENANCE, LIVE: connection strings of libpq, of a database that is none of those, and of DATABASE. TARGET: the name of what
#   is live. STAGING: the database that the dump was loaded into first. NEW, OLD, FAILED: names of schemas.
# stdin: the password, a line; none where the source has none.
# include sources/postgres/lib/loader.sh

loader_verb=$1 loader_name=$2
shift 3
IFS= read -r loader_password
loader_maintenance=$6 loader_live=$7 loader_target=$8 loader_database=$9
loader_staging=${10} loader_new=${11} loader_old=${12} loader_failed=${13}

# loader_steps SCHEMA: SQL that takes the steps in it, in their order. They are read first: one of them may remove the schema.
loader_steps() {
  loader_body='declare
  steps text[];
  step text;
begin
  select array_agg(sql order by at) into steps from SCHEMA.steps;
  foreach step in array steps loop execute step; end loop;
end'
  loader_text="${loader_body%%SCHEMA*}$(loader_identifier "$1")${loader_body#*SCHEMA}"
  printf 'do %s;\n' "$(loader_quote "$loader_text")"
}

loader_exists() {
  case $loader_name in
    "$loader_target")
      loader_is "$loader_maintenance" "$loader_database" "$@"
      loader_count
      exit 1
      ;;
    *".$loader_new")
      loader_schema=$loader_new
      loader_is "$loader_maintenance" "$loader_staging" "$@"
      loader_count
      ;;
    *".$loader_old") loader_schema=$loader_old ;;
    *".$loader_failed") loader_schema=$loader_failed ;;
    *) exit 2 ;;
  esac
  loader_is "$loader_maintenance" "$loader_database" "$@"
  case $loader_answer in *'there: 0') exit 1 ;; esac
  loader_sql "$loader_live" "select 'there: ' || count(*) from pg_namespace where nspname = $(loader_quote "$loader_schema");" "$@" ||
    loader_fail
  loader_count
  exit 1
}

loader_drop() {
  case $loader_name in
    *".$loader_new") loader_schema=$loader_new ;;
    *".$loader_old") loader_schema=$loader_old ;;
    *".$loader_failed") loader_schema=$loader_failed ;;
    *) exit 2 ;;
  esac
  loader_sql "$loader_live" "drop schema if exists $(loader_identifier "$loader_schema") cascade;" "$@" || loader_fail
  [ "$loader_schema" != "$loader_new" ] || loader_drop_staging "$loader_maintenance" "$loader_staging" "$@"
}

case $loader_verb in
  exists) loader_exists "$@" ;;
  switch)
    loader_sql "$loader_live" "$(loader_steps "$loader_new")" "$@" || loader_fail
    ;;
  back)
    loader_sql "$loader_live" "begin;
$(loader_steps "$loader_old")
alter schema $(loader_identifier "$loader_old") rename to $(loader_identifier "$loader_failed");
select coalesce(sum(rows) filter (where what = 'removed'), 0) || ' added rows removed; '
  || coalesce(sum(rows) filter (where what = 'gone'), 0) || ' were gone; '
  || coalesce(sum(rows) filter (where what = 'kept'), 0) || ' were changed since or are referred to, and stay'
  from $(loader_identifier "$loader_failed").counts;
commit;" "$@" || loader_fail
    printf '%s\n' "$loader_answer"
    ;;
  drop) loader_drop "$@" ;;
  *) exit 2 ;;
esac
