# Speaks SQL to a database by what the server has: the command sqlite3, or the module of this name in Python.
# include remote/lib/talk.sh

# s: how long a database that somebody else has locked is waited for.
tool_patience=30

# tool_find: $tool is sqlite3, python3 or nothing, and $tool_version what it says of itself.
tool_find() {
  tool=sqlite3
  tool_version=$(sqlite3 -version 2>/dev/null </dev/null) && [ -n "$tool_version" ] && {
    tool_version=${tool_version%% *}
    return 0
  }
  tool=python3
  tool_version=$(python3 -c 'import sqlite3; print(sqlite3.sqlite_version)' 2>/dev/null </dev/null) &&
    [ -n "$tool_version" ] && return 0
  tool='' tool_version=''
}

# Reads SQL on stdin, and writes each row as sqlite3 -list does. An error ends it with status 1.
tool_python='
import os, sqlite3, sys
def text(value):
    if value is None: return b""
    if isinstance(value, bytes): return value
    return str(value).encode("utf-8", "surrogateescape")
try:
    db = sqlite3.connect(os.fsencode(sys.argv[1]), timeout=float(sys.argv[2]), isolation_level=None)
    db.text_factory = bytes
    statement = ""
    for line in sys.stdin:
        statement += line
        if sqlite3.complete_statement(statement):
            for row in db.execute(statement):
                sys.stdout.buffer.write(b"|".join(map(text, row)) + b"\n")
            statement = ""
except Exception as error:
    sys.exit("Error: " + str(error))
'

# tool_sql DATABASE: runs the SQL on stdin; the rows on stdout, their columns parted by |.
tool_sql() {
  case $tool in
    sqlite3)
      { printf '.timeout %s000\n' "$tool_patience" && cat; } |
        gently sqlite3 -init /dev/null -batch -bail -noheader -list "$1"
      ;;
    python3) PYTHONIOENCODING=utf-8:surrogateescape gently python3 -c "$tool_python" "$1" "$tool_patience" ;;
  esac
}

# Copies argv[1] to ./copy. All pages at once are one read transaction.
tool_python_copy='
import os, sqlite3, sys, urllib.parse
try:
    path = os.fsencode(sys.argv[1])
    if sys.argv[3] == "readonly":
        db = sqlite3.connect("file:" + urllib.parse.quote(path) + "?mode=ro", uri=True, timeout=float(sys.argv[2]))
    else:
        db = sqlite3.connect(path, timeout=float(sys.argv[2]))
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    copy = sqlite3.connect("copy")
    db.backup(copy, pages=-1)
    copy.close()
    db.close()
except Exception as error:
    sys.exit("Error: " + str(error))
'

# tool_copy DATABASE: copies it to ./copy, as of one moment. In place of the shell that calls it, so that whoever ends that
# ends the copying. A backup whose steps are no part of one read transaction begins anew each time somebody writes, and may
# never end (docs/decisions/0026-sqlite-copy.md).
tool_copy() {
  tool_mode=
  # Whoever opens a database last, and may write, moves what is in its log into it. A log that was left behind stays as
  # it is.
  [ ! -s "$1-wal" ] || tool_mode=readonly
  gently true
  case $tool in
    sqlite3)
      printf '%s\n' ".timeout ${tool_patience}000" 'BEGIN;' 'SELECT count(*) FROM sqlite_master;' \
        '.backup main copy' 'COMMIT;' >sql
      # shellcheck disable=SC2086
      exec $gently_with sqlite3 -init /dev/null -batch -bail ${tool_mode:+-$tool_mode} "$1" <sql >counted
      ;;
    python3)
      # shellcheck disable=SC2086
      exec $gently_with python3 -c "$tool_python_copy" "$1" "$tool_patience" "${tool_mode:-write}"
      ;;
  esac
}
