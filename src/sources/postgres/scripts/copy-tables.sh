# Copies schemas with all that is in them from one database of a server to another.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS FROM TO SCHEMA...
#   FROM, TO: connection strings of libpq. SCHEMA: a pattern of pg_dump.
# stdin: the password, a line.
# stdout: dots. Exit status: 0; pg_dump's, or pg_restore's, where one of them failed.
# include remote/lib/prelude.sh
# include sources/database/lib/beat.sh
# include sources/postgres/lib/postgres.sh

container=$1 host=$2 port=$3 user=$4 credentials=$5 from=$6 to=$7
shift 7
IFS= read -r password
copy_schemas() {
  set -- "$@"
  for copy_schema; do
    shift
    set -- "$@" -n "$copy_schema"
  done
  copy_status=$(
    {
      {
        printf '%s\n' "$password" |
          pg_run "$container" "$host" "$port" "$user" "$credentials" pg_dump -w -Fc -Z0 "$@" -d "$from"
        echo "$?" >&3
      } | {
        printf '%s\n' "$password"
        cat
      } | {
        pg_run "$container" "$host" "$port" "$user" "$credentials" pg_restore -w --exit-on-error --single-transaction -d "$to" >&2
        echo "$?" >&3
      }
    } 3>&1
  )
  # shellcheck disable=SC2086
  set -- $copy_status
  [ "$#" -eq 2 ] || return 1
  # Each of them fails when the other one does; who fails first is told by stderr.
  [ "$1" -eq 0 ] || return "$1"
  return "$2"
}
beating copy_schemas "$@"
