# Loads a dump into a database that is there.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS DATABASE
#   DATABASE: a connection string of libpq.
# stdin: what pg_run reads, then the dump.
# Exit status: pg_restore's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/postgres/lib/postgres.sh

pg_run "$1" "$2" "$3" "$4" "$5" pg_restore -w --exit-on-error -d "$6"
