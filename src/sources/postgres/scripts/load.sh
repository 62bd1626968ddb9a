# Loads a dump into a database that is there.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS DATABASE OPTION...
#   DATABASE: a connection string of libpq. OPTION: of pg_restore.
# stdin: what pg_run reads, then the dump.
# stdout: dots. Exit status: pg_restore's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/postgres/lib/postgres.sh

# It says nothing while it makes indexes, which may take hours: bytes say that we are alive. Whoever waits for our end waits for
# all who hold our stdout, so sleep does not.
while sleep 5 >/dev/null 2>&1; do printf .; done 2>/dev/null &
beat=$!
container=$1 host=$2 port=$3 user=$4 credentials=$5 database=$6
shift 6
pg_run "$container" "$host" "$port" "$user" "$credentials" pg_restore -w --exit-on-error "$@" -d "$database"
status=$?
kill "$beat" 2>/dev/null
exit "$status"
