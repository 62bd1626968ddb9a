# A conversation with a server through its own client.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS CLIENT
#   CLIENT: mariadb or mysql.
# stdin: what mysql_run reads; then SQL.
# stdout: rows, each as one line with tabs between columns, the names of the columns before them; control characters and
# backslashes as the client escapes them.
# Exit status: the client's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/mysql/lib/mysql.sh

# A client that connects anew would have lost its locks and its transaction without a word.
mysql_run "$1" "$2" "$3" "$4" "$5" "$6" --batch --unbuffered --skip-reconnect --binary-mode --connect-timeout=20 \
  --default-character-set=utf8mb4
