# Puts a query to an SQLite database that nobody writes to.
# Arguments: DATABASE
# stdin: SQL
# stdout: the rows, their columns parted by |. Exit status: the tool's; 127 when there is none.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include sources/sqlite/lib/tool.sh

tool_find
[ -n "$tool" ] || {
  echo 'the server has neither sqlite3 nor python3' >&2
  exit 127
}
{ echo 'PRAGMA query_only=1;' && cat; } | tool_sql "$1"
