# What a migration's TO had accepted before it was undone. Changes nothing.
# Arguments: DEPLOYMENT ID list SUFFIX...      a file with a name that ends so is a log
#            DEPLOYMENT ID tail FILE OFFSET    what is in a file of it behind OFFSET bytes, at most a MiB
# stdout, fields parted by TAB, paths encoded:
#   unit N PATH TARGET           what was put at the N-th target, and where it is now
#   changed N COUNT              how many of its files are newer than the migration on that server
#   name N PATH                  the first of these
#   log N OFFSET PATH            a log, and how long it was when it was put there; empty for a new one
#   end
# include remote/lib/prelude.sh
# include restore/lib/journal.sh

# accepted_unit SUFFIX...: the lines of a unit, which is loaded, and lies at $accepted_tree.
accepted_unit() {
  tell unit "$accepted_n" "$accepted_tree" "$target"
  accepted_files=$(find "$accepted_tree" -type f -newer "$accepted_since" 2>/dev/null)
  if [ -n "$accepted_files" ]; then
    say changed "$accepted_n" "$(printf '%s\n' "$accepted_files" | wc -l | tr -d ' ')"
    printf '%s\n' "$accepted_files" | head -n 5 | while IFS= read -r accepted_one; do
      tell name "$accepted_n" "$accepted_one"
    done
  fi
  for accepted_suffix; do
    find "$accepted_tree" -type f -name "*$accepted_suffix" -size +0 2>/dev/null | while IFS= read -r accepted_one; do
      to_field "${accepted_one#"$accepted_tree"/}"
      accepted_offset=$(N=$accepted_n NAME=$field awk -F "$tab" \
        '$1 == ENVIRON["N"] && $3 == ENVIRON["NAME"] { print $2 }' "${journal%/*}/log-sizes" 2>/dev/null)
      tell log "$accepted_n" "$accepted_offset" "$accepted_one"
    done
  done
}

cd /
valid_id "$2" && journal_load "$1/.relay-backup/restore-$2/journal" || exit 3
if [ "$3" = tail ]; then
  case $4 in
    */failed-"$id"/*) ;;
    *) exit 3 ;;
  esac
  tail -c "+$(($5 + 1))" -- "$4" | head -c 1048576
  exit 0
fi
shift 3
accepted_since=$(mktemp) || exit 3
trap 'rm -f -- "$accepted_since"' EXIT
touch -d "@$epoch" -- "$accepted_since" || exit 3
accepted_n=0
while [ "$accepted_n" -lt "$units" ]; do
  accepted_n=$((accepted_n + 1))
  unit_load "$accepted_n"
  for accepted_tree in "$failed" "$failed".[0-9]*; do
    ! exists "$accepted_tree" || accepted_unit "$@"
  done
done
say end
