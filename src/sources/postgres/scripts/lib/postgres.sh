# PostgreSQL's own programs, on the server or in the container that PostgreSQL runs in.
#
# pg_run CONTAINER HOST PORT USER CREDENTIALS PROGRAM ARG...: runs PROGRAM. stdin: the password as a line, empty for none;
# then what PROGRAM reads. Any of the first five is `-` for none. CREDENTIALS is `container`: user and password are what
# the container's environment says, as its image reads it; `env:DIRECTORY`: they are what the environment of that deployment
# says, which is for programs whose stdin ends by itself.
# Exit status: PROGRAM's; 127 when there is none.
# include sources/database/lib/env.sh
pg_run() {
  case $5 in
    env:*)
      env_login 'postgres(ql)?' "${5#env:}" POSTGRES_ PG || return 125
      pg_container=$1 pg_host=$2 pg_port=$3
      shift 5
      {
        IFS= read -r pg_none
        printf '%s\n' "$env_password"
        cat
      } | pg_exec "$pg_container" "$pg_host" "$pg_port" "$env_user" - "$@"
      ;;
    *) pg_exec "$@" ;;
  esac
}

pg_exec() {
  pg_container=$1
  shift
  if [ "$pg_container" = - ]; then
    sh -c "$pg_inner" relay-backup "$@"
  else
    docker exec -i -- "$pg_container" sh -c "$pg_inner" relay-backup "$@"
  fi
}

# The password is in a file that has no name when it is written: nothing of it is left, whatever kills whom. libpq reads
# PGPASSFILE only where it is a regular file (passwordFromFile in src/interfaces/libpq/fe-connect.c).
pg_inner='
pg_host=$1 pg_port=$2 pg_user=$3 pg_credentials=$4 pg_program=$5
shift 5
IFS= read -r pg_password
if [ "$pg_credentials" = container ]; then
  pg_user=${POSTGRES_USER-} pg_password=${POSTGRES_PASSWORD-}
  [ -z "${POSTGRES_USER_FILE-}" ] || pg_user=$(cat -- "$POSTGRES_USER_FILE") || exit 126
  [ -z "${POSTGRES_PASSWORD_FILE-}" ] || pg_password=$(cat -- "$POSTGRES_PASSWORD_FILE") || exit 126
  pg_user=${pg_user:-postgres}
fi
if [ -n "$pg_password" ]; then
  umask 077
  pg_file=$(mktemp -p /dev/shm 2>/dev/null || mktemp) || exit 126
  exec 9<>"$pg_file" || exit 126
  rm -f -- "$pg_file"
  printf "*:*:*:*:%s\n" "$(printf %s "$pg_password" | sed "s/[\\\\:]/\\\\&/g")" >&9
  PGPASSFILE=/dev/fd/9
  export PGPASSFILE
fi
unset pg_password PGOPTIONS PGDATABASE PGSERVICE PGSERVICEFILE
[ "$pg_host" = - ] || { PGHOST=$pg_host; export PGHOST; }
[ "$pg_port" = - ] || { PGPORT=$pg_port; export PGPORT; }
[ "$pg_user" = - ] || { PGUSER=$pg_user; export PGUSER; }
PGCLIENTENCODING=UTF8 PGAPPNAME=relay-backup PGCONNECT_TIMEOUT=20 LC_ALL=C
export PGCLIENTENCODING PGAPPNAME PGCONNECT_TIMEOUT LC_ALL
# A client reads servers of its own version and older ones: the newest that is there.
pg_found= pg_newest=0
for pg_path in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
  [ -x "$pg_path/$pg_program" ] || continue
  pg_version=${pg_path%/bin} pg_version=${pg_version##*[!0-9.]} pg_version=${pg_version%%.*}
  [ "${pg_version:-0}" -gt "$pg_newest" ] && pg_newest=$pg_version pg_found=$pg_path/$pg_program
done
exec "${pg_found:-$pg_program}" "$@"
'
