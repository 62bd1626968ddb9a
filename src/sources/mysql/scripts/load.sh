# Loads a dump into a database that is there.
# Arguments: CONTAINER HOST PORT USER CREDENTIALS CLIENT DATABASE
# stdin: what mysql_run reads, then the dump.
# stdout: dots. Exit status: the client's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/database/lib/beat.sh
# include sources/mysql/lib/mysql.sh
# include sources/mysql/lib/events.sh

IFS= read -r load_password
load_sandbox=
# load_answers LINE: the client ends well after this line.
load_answers() {
  printf '%s\n%s\nselect 1;\n' "$load_password" "$1" |
    mysql_run "$load_1" "$load_2" "$load_3" "$load_4" "$load_5" "$load_6" --batch >/dev/null 2>&1
}
load_1=$1 load_2=$2 load_3=$3 load_4=$4 load_5=$5 load_6=$6
# MariaDB's first line forbids the dump to run programs here. An older client stops at it, and at nothing else.
if ! load_answers '/*M!999999\- enable the sandbox mode */ ' && load_answers ''; then
  load_sandbox='1{/^\/\*M!999999/d;}'
fi

load_quietly() { mysql_run "$@" >/dev/null; }
{
  printf '%s\n' "$load_password"
  LC_ALL=C sed -e "$load_sandbox" -e "$events_off"
} | beating load_quietly "$1" "$2" "$3" "$4" "$5" "$6" --batch --binary-mode --skip-reconnect --connect-timeout=20 \
  --default-character-set=utf8mb4 --max-allowed-packet=1073741824 "--database=$7"
