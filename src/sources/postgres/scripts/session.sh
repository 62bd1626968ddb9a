# A conversation with a database through psql.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS DATABASE
#   DATABASE: a connection string of libpq.
# stdin: what pg_run reads; then SQL and lines of psql.
# stdout: rows, each as one line.
# Exit status: psql's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/postgres/lib/postgres.sh

pg_run "$1" "$2" "$3" "$4" "$5" psql -X -w -q -A -t -v ON_ERROR_STOP=1 -P pager=off -d "$6"
