# What is in SQLite databases that nobody writes to, and whether they are sound.
# Arguments: DATABASE...
# stdout: records, one group a database, in that order
#   database
#   tool NAME            sqlite3, python3, or - for none; then nothing more comes of it
#   integrity TEXT       ok, or what is wrong
#   foreign COUNT        rows that refer to what is not there; - where that can't be told
#   setting NAME VALUE   page_size, encoding, auto_vacuum, application_id, user_version, journal_mode
#   definition HEX       of a table, an index, a view or a trigger: its kind, name and text
#   table HEX ROWS       HEX its name
#   failed TEXT
#   end
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include sources/sqlite/lib/tool.sh

# ask SQL: its rows in $rows. Fails with what the tool says in $rows.
ask() {
  rows=$(printf '%s\n' "$1" | tool_sql "$database" 2>&1)
}

facts() {
  ask 'PRAGMA integrity_check(10);' || return 1
  tell integrity "$rows"
  if ask 'PRAGMA foreign_key_check;'; then
    foreign=$(printf '%s\n' "$rows" | grep -c .)
    tell foreign "$foreign"
  else
    tell foreign -
  fi
  for setting in page_size encoding auto_vacuum application_id user_version journal_mode; do
    ask "PRAGMA $setting;" || return 1
    tell setting "$setting" "$rows"
  done
  ask "SELECT hex(type || char(9) || name || char(9) || tbl_name || char(9) || coalesce(sql, '')) FROM sqlite_master ORDER BY 1;" ||
    return 1
  for row in $rows; do say definition "$row"; done
  ask "SELECT 'SELECT ''' || hex(name) || ''', count(*) FROM \"' || replace(name, '\"', '\"\"') || '\";' FROM sqlite_master
    WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND sql NOT LIKE 'create virtual%' ORDER BY name;" ||
    return 1
  [ -n "$rows" ] || return 0
  ask "$rows" || return 1
  for row in $rows; do say table "${row%|*}" "${row#*|}"; done
}

tool_find
for database; do
  say database
  say tool "${tool:--}"
  [ -n "$tool" ] || continue
  if [ ! -f "$database" ]; then
    say failed 'it is not there'
  elif ! facts; then
    plain "$rows"
    say failed "$plain"
  fi
done
echo end
