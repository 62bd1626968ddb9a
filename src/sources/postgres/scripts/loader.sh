# Looks for, renames and removes databases, as restore/scripts/lib/load.sh asks it.
# Arguments: VERB NAME TO CONTAINER HOST PORT USER CREDENTIALS DATABASE
#   DATABASE: a connection string of libpq, of a database that is none of those.
# stdin: the password, a line; none where the source has none.
# include sources/postgres/lib/postgres.sh

loader_verb=$1 loader_name=$2 loader_to=$3
shift 3
IFS= read -r loader_password

# loader_quote TEXT: as a string of SQL.
loader_quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }
# loader_identifier TEXT: as a name in SQL.
loader_identifier() { printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"; }

# loader_sql CONTAINER ... DATABASE: runs the SQL of $loader_said.
loader_sql() {
  printf '%s\n%s\n' "$loader_password" "$loader_said" |
    pg_run "$1" "$2" "$3" "$4" "$5" psql -X -w -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -P pager=off -d "$6" 2>&1
}

# Backslashes are only letters in these strings, whatever the server's default says.
loader_said='set standard_conforming_strings = on;'
# Asking for what is not allowed would be an error: a session of a superuser, for one who is none.
loader_sessions="select count(pg_terminate_backend(pid)) from pg_stat_activity
  where datname = $(loader_quote "$loader_name") and pid <> pg_backend_pid() and usesysid is not null
  and (pg_has_role(usesysid, 'member') or pg_has_role('pg_signal_backend', 'member')
    and not (select rolsuper from pg_roles where pg_roles.oid = usesysid)) \\g /dev/null"

case $loader_verb in
  exists)
    loader_said="$loader_said
select 'there: ' || count(*) from pg_database where datname = $(loader_quote "$loader_name");"
    loader_answer=$(loader_sql "$@") || {
      printf '%s\n' "$loader_answer"
      exit 2
    }
    # A warning at the login may stand before it.
    case $loader_answer in
      *'there: 1') exit 0 ;;
      *'there: 0') exit 1 ;;
    esac
    printf '%s\n' "$loader_answer"
    exit 2
    ;;
  rename)
    loader_change="alter database $(loader_identifier "$loader_name") rename to $(loader_identifier "$loader_to");"
    ;;
  drop) loader_change="drop database $(loader_identifier "$loader_name");" ;;
  *) exit 2 ;;
esac

# Whoever comes back between the two statements is parted from it once more.
loader_said="$loader_said
$loader_sessions
$loader_change"
loader_tries=0
while :; do
  loader_answer=$(loader_sql "$@") && exit 0
  loader_status=$?
  loader_tries=$((loader_tries + 1))
  case $loader_answer in
    # object_in_use
    *55006*) [ "$loader_tries" -lt 10 ] && continue ;;
  esac
  printf '%s\n' "$loader_answer"
  [ "$loader_status" -gt 1 ] || loader_status=2
  exit "$loader_status"
done
