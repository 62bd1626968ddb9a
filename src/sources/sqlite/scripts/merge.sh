# Runs SQL in an SQLite database, and in those that it attaches: of a merge, the journal with the live one.
# Arguments: DATABASE [there]
#   DATABASE: made when it is not there, but for `there`.
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
[ "${2-}" != there ] || [ -f "$1" ] || {
  echo "there is no $1 to add rows to" >&2
  exit 1
}
umask 077
tool_sql "$1"
