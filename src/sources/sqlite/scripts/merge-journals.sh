# The journals of a merge, one a line; none when there is none.
# Arguments: JOURNAL
# include remote/lib/prelude.sh

for journal in "$1" "$1".[0-9]*; do
  case $journal in *-journal | *-wal | *-shm) continue ;; esac
  [ ! -f "$journal" ] || printf '%s\n' "$journal"
done
