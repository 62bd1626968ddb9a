# Loads a dump into a database that is there.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS CLIENT DATABASE
# stdin: what mysql_run reads, then the dump.
# stdout: dots. Exit status: the client's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/mysql/lib/mysql.sh
# include sources/mysql/lib/events.sh

IFS= read -r load_password
load_sandbox=
# MariaDB's first line forbids the dump to run programs here. An older client stops at it.
printf '%s\n/*M!999999\\- enable the sandbox mode */ \nselect 1;\n' "$load_password" |
  mysql_run "$1" "$2" "$3" "$4" "$5" "$6" --batch >/dev/null 2>&1 || load_sandbox='1{/^\/\*M!999999/d;}'

# It says nothing while it makes indexes, which may take hours: bytes say that we are alive. Whoever waits for our end waits for
# all who hold our stdout, so sleep does not.
while sleep 5 >/dev/null 2>&1; do printf .; done 2>/dev/null &
beat=$!
{
  printf '%s\n' "$load_password"
  LC_ALL=C sed -e "$load_sandbox" -e "$events_off"
} | mysql_run "$1" "$2" "$3" "$4" "$5" "$6" --batch --binary-mode --skip-reconnect --connect-timeout=20 \
  --default-character-set=utf8mb4 --max-allowed-packet=1073741824 "--database=$7" >/dev/null
status=$?
kill "$beat" 2>/dev/null
exit "$status"
