# What loaders within a database have in common. $loader_password is set by who includes it.
# include sources/postgres/lib/postgres.sh

# loader_quote TEXT: as a string of SQL.
loader_quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }
# loader_identifier TEXT: as a name in SQL.
loader_identifier() { printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"; }

# loader_sql DATABASE SQL PLACE...: what it says is in $loader_answer.
loader_sql() {
  loader_said="set standard_conforming_strings = on; set search_path = ''; set lock_timeout = '60s'; set client_min_messages = warning;
$2"
  loader_at=$1
  shift 2
  loader_answer=$(printf '%s\n%s\n' "$loader_password" "$loader_said" |
    pg_run "$1" "$2" "$3" "$4" "$5" psql -X -w -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -P pager=off -d "$loader_at" 2>&1)
}

# loader_fail: ends with what was said.
loader_fail() {
  printf '%s\n' "$loader_answer"
  exit 2
}

# loader_count: ends with what exists has to say, by the count in the answer; returns for a count of none.
loader_count() {
  # A warning at the login may stand before it.
  case $loader_answer in
    *'there: 0') return 0 ;;
    *'there: '*) exit 0 ;;
  esac
  loader_fail
}

# loader_is DATABASE NAME PLACE...: a database is there; asked in DATABASE. $loader_answer ends with `there: 0` or `there: 1`.
loader_is() {
  loader_asked=$1 loader_named=$2
  shift 2
  loader_sql "$loader_asked" "select 'there: ' || count(*) from pg_database where datname = $(loader_quote "$loader_named");" "$@" ||
    loader_fail
}

# loader_drop_staging DATABASE NAME PLACE...: removes a database of ours; asked in DATABASE.
loader_drop_staging() {
  loader_asked=$1 loader_named=$2
  shift 2
  loader_sql "$loader_asked" "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = $(loader_quote "$loader_named") and pid <> pg_backend_pid() and usename = current_user \\g /dev/null
drop database if exists $(loader_identifier "$loader_named");" "$@" || loader_fail
}
