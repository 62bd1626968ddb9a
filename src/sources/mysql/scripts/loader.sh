# Looks for, renames and removes databases, as restore/scripts/lib/load.sh asks it. No server renames a database: its tables
# go to another one in a single RENAME TABLE, and views, triggers, routines and events are made anew there.
# Arguments: VERB NAME TO CONTAINER HOST PORT USER CREDENTIALS COPY CLIENT DUMPER OPTION...
#   COPY: a database whose events do not run, because it lies beside the one that is live; `-` for none.
#   OPTION: what DUMPER takes with every dump.
# stdin: the password, a line; none where the source has none.
#
# What is to be made anew lies in a table that moves along. So where that table is tells how far a rename came, and whoever
# looks next ends it or takes it back.
# include sources/mysql/lib/mysql.sh
# include sources/mysql/lib/events.sh

loader_verb=$1 loader_name=$2 loader_to=$3
shift 3
loader_container=$1 loader_host=$2 loader_port=$3 loader_user=$4 loader_credentials=$5
shift 5
loader_copy=$1 loader_client=$2 loader_dumper=$3
shift 3
IFS= read -r loader_password
loader_mark=relay_backup_move
loader_newline='
'

# loader_quote TEXT: as a string of SQL.
loader_quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"; }
# loader_identifier TEXT: as a name in SQL.
loader_identifier() { printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"; }

# loader_run PROGRAM ARG...: stdin is what PROGRAM reads.
loader_run() {
  {
    printf '%s\n' "$loader_password"
    cat
  } | mysql_run "$loader_container" "$loader_host" "$loader_port" "$loader_user" "$loader_credentials" "$@"
}

# loader_sql SQL [DATABASE]: its rows. One after the other, also when a client outlives whoever started it.
loader_sql() {
  printf '%s\n' "set session sql_mode = '', lock_wait_timeout = 60, group_concat_max_len = 1073741824;
set @relay_backup_turn = if(get_lock('relay_backup_move', 300) = 1, 'do 0', 'another rename goes on');
prepare relay_backup_turn from @relay_backup_turn;
$1" | loader_run "$loader_client" --batch --raw --skip-column-names --skip-reconnect --binary-mode --connect-timeout=20 \
    --default-character-set=utf8mb4 --max-allowed-packet=1073741824 ${2+"--database=$2"}
}

# loader_dump ARG...: what there is, without rows, for this client, in $loader_answer. It is all that is left of it after the
# move, so nothing else may be in it, and it may not break off.
loader_dump() {
  if loader_answer=$(loader_run "$loader_dumper" "$@" </dev/null 2>/dev/null); then
    case ${loader_answer##*"$loader_newline"} in
      '-- Dump completed'*)
        loader_answer=$(printf '%s\n' "$loader_answer" | LC_ALL=C sed '1{/^\/\*M!999999/d;}')
        return 0
        ;;
    esac
  fi
  # Once more, for what it says.
  loader_answer=$(loader_run "$loader_dumper" "$@" </dev/null 2>&1 >/dev/null)
  loader_answer=${loader_answer:-$loader_dumper broke off}
  loader_fail
}

# loader_hex: stdin as a literal of SQL.
loader_hex() { printf "x'%s'" "$(od -An -v -tx1 | tr -d ' \n')"; }

# loader_renames FROM TO: the statement that moves its tables; nothing where there is none.
loader_renames() {
  loader_sql "select concat('rename table ', group_concat($(loader_quote "$(loader_identifier "$1").\`"),
    replace(table_name, '\`', '\`\`'), $(loader_quote "\` to $(loader_identifier "$2").\`"),
    replace(table_name, '\`', '\`\`'), '\`' order by table_name separator ', '), ';')
    from information_schema.tables where table_schema = $(loader_quote "$1")
    and table_type in ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') having count(*) > 0;"
}

# loader_is NAME: exit status 0: there is such a database, 1: there is none.
loader_is() {
  loader_answer=$(loader_sql "select concat('there: ', count(*)) from information_schema.schemata
    where schema_name = $(loader_quote "$1");" 2>&1) || loader_fail
  case $loader_answer in
    *'there: 1') return 0 ;;
    *'there: 0') return 1 ;;
  esac
  loader_fail
}

loader_fail() {
  printf '%s\n' "$loader_answer"
  exit 2
}

# loader_move FROM TO: those tables that are not there yet.
loader_move() {
  loader_answer=$(loader_renames "$1" "$2" 2>&1) || loader_fail
  [ -z "$loader_answer" ] || loader_answer=$(loader_sql "$loader_answer" 2>&1) || loader_fail
}

# loader_empty FROM TO: moves what tables are left in FROM, and drops it without any. A table that somebody makes there
# meanwhile moves along: DROP DATABASE would take it, too, so it is only asked right after nobody was seen to have one.
loader_empty() {
  loader_tries=0
  while loader_is "$1"; do
    loader_tries=$((loader_tries + 1))
    loader_answer="tables are made in $1 all the time"
    [ "$loader_tries" -le 9 ] || loader_fail
    loader_move "$1" "$2"
    loader_answer=$(loader_sql "select if(count(*) = 0, $(loader_quote "drop database $(loader_identifier "$1")"), 'do 0')
      into @relay_backup_drop from information_schema.tables
      where table_schema = $(loader_quote "$1") and table_type in ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE');
      prepare relay_backup_drop from @relay_backup_drop;
      execute relay_backup_drop;" 2>&1) || loader_fail
  done
}

# loader_remake DATABASE COLUMN: runs what the mark there says.
loader_remake() {
  loader_answer=$(loader_sql "select $2 from $(loader_identifier "$1").$loader_mark;" 2>&1) || loader_fail
  loader_answer=$(loader_sql "$loader_answer" "$1" 2>&1) || loader_fail
}

loader_unmark() {
  loader_answer=$(loader_sql "drop table $(loader_identifier "$1").$loader_mark;" 2>&1) || loader_fail
}

# loader_forward FROM TO: the mark is at TO.
loader_forward() {
  if loader_is "$1"; then loader_move "$1" "$2"; fi
  loader_remake "$2" triggers
  loader_remake "$2" others
  loader_empty "$1" "$2"
  loader_unmark "$2"
}

# loader_back FROM TO: the mark is at FROM.
loader_back() {
  if loader_is "$2"; then
    loader_move "$2" "$1"
    loader_empty "$2" "$1"
  fi
  loader_remake "$1" triggers
  loader_unmark "$1"
}

# loader_settle NAME: no rename from or to it is half done.
loader_settle() {
  loader_answer=$(loader_sql "select table_schema from information_schema.tables where table_name = '$loader_mark';" 2>&1) ||
    loader_fail
  loader_marked=$loader_answer
  while [ -n "$loader_marked" ]; do
    loader_at=${loader_marked%%"$loader_newline"*}
    case $loader_marked in
      *"$loader_newline"*) loader_marked=${loader_marked#*"$loader_newline"} ;;
      *) loader_marked= ;;
    esac
    loader_answer=$(loader_sql "select concat(moves_from, '/', moves_to) from $(loader_identifier "$loader_at").$loader_mark
      where $(loader_quote "$1") in (moves_from, moves_to);
      select '-' where 0 = (select count(*) from $(loader_identifier "$loader_at").$loader_mark);" 2>&1) || loader_fail
    case $loader_answer in
      '') continue ;;
      # Nothing was done yet.
      -) loader_unmark "$loader_at" ;;
      "$loader_at"/*) loader_back "$loader_at" "${loader_answer#"$loader_at"/}" ;;
      *"/$loader_at") loader_forward "${loader_answer%"/$loader_at"}" "$loader_at" ;;
      *) loader_fail ;;
    esac
  done
}

loader_rename() {
  loader_from=$(loader_identifier "$loader_name") loader_into=$(loader_identifier "$loader_to")
  # Names of views, a line each.
  loader_answer=$(loader_sql "select table_name from information_schema.views
    where table_schema = $(loader_quote "$loader_name");" 2>&1) || loader_fail
  loader_views=$loader_answer
  case $loader_to in
    # Loaded so already.
    "$loader_copy") loader_events= ;;
    *_new_*[Tt]*[Zz] | *_old_*[Tt]*[Zz] | *_failed_*[Tt]*[Zz]) loader_events=$events_off ;;
    *) loader_events=$events_on ;;
  esac
  loader_dump "$@" --no-data --no-create-info --skip-routines --skip-events --triggers --add-drop-trigger -- "$loader_name"
  loader_triggers=$(printf '%s\n' "$loader_answer" | loader_hex)
  loader_dump "$@" --no-data --no-create-info --skip-triggers --routines --events -- "$loader_name"
  loader_others=$(printf '%s\n' "$loader_answer" | LC_ALL=C sed -e "$loader_events")
  if [ -n "$loader_views" ]; then
    set -- "$@" --no-data --skip-triggers --skip-routines --skip-events -- "$loader_name"
    while IFS= read -r loader_view; do set -- "$@" "$loader_view"; done <<EOT
$loader_views
EOT
    loader_dump "$@"
    loader_others=$loader_others$loader_newline$loader_answer
  fi
  loader_others=$(printf '%s\n' "$loader_others" | loader_hex)
  loader_answer=$(loader_sql "create table $loader_from.$loader_mark
    (moves_from varchar(64) not null, moves_to varchar(64) not null, triggers longblob, others longblob)
    engine = InnoDB character set utf8mb4 collate utf8mb4_bin;
    insert into $loader_from.$loader_mark values
    ($(loader_quote "$loader_name"), $(loader_quote "$loader_to"), $loader_triggers, $loader_others);" 2>&1) || loader_fail
  loader_answer=$(
    loader_sql "select concat('create database $loader_into character set ', default_character_set_name, ' collate ',
      default_collation_name, ';') from information_schema.schemata where schema_name = $(loader_quote "$loader_name");
      select concat('drop trigger $loader_from.\`', replace(trigger_name, '\`', '\`\`'), '\`;')
      from information_schema.triggers where trigger_schema = $(loader_quote "$loader_name");" 2>&1
  ) || loader_fail
  loader_changes=$loader_answer
  loader_answer=$(loader_renames "$loader_name" "$loader_to" 2>&1) || loader_fail
  loader_answer=$(loader_sql "$loader_changes
$loader_answer" 2>&1) || {
    loader_failed=$loader_answer
    loader_settle "$loader_name"
    loader_answer=$loader_failed
    loader_fail
  }
  loader_forward "$loader_name" "$loader_to"
}

case $loader_verb in
  exists)
    loader_settle "$loader_name"
    loader_is "$loader_name"
    ;;
  rename)
    loader_settle "$loader_name"
    loader_rename "$@"
    ;;
  drop)
    loader_settle "$loader_name"
    loader_answer=$(loader_sql "drop database $(loader_identifier "$loader_name");" 2>&1) || loader_fail
    ;;
  *) exit 2 ;;
esac
