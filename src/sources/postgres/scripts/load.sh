# Loads a dump into a database that is there.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS DATABASE OPTION...
#   DATABASE: a connection string of libpq. OPTION: of pg_restore.
# stdin: what pg_run reads, then the dump.
# stdout: dots. Exit status: pg_restore's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/database/lib/beat.sh
# include sources/postgres/lib/postgres.sh

container=$1 host=$2 port=$3 user=$4 credentials=$5 database=$6
shift 6
beating pg_run "$container" "$host" "$port" "$user" "$credentials" pg_restore -w --exit-on-error "$@" -d "$database"
