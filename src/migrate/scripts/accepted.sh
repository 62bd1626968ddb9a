# What a migration's TO had accepted before it was undone. Changes nothing.
# Arguments: DEPLOYMENT ID
#            DEPLOYMENT ID tail FILE OFFSET      what is in a file of it behind OFFSET bytes, at most a MiB
# stdout, fields parted by TAB, paths encoded:
#   unit N PATH TARGET           what was put at the N-th target, and where it is now
#   changed N COUNT              how many of its files are newer than the migration on that server
#   name N PATH                  the first of these
#   aof N OFFSET PATH            an append-only file, and how long it was when it was put there; - for a new one
#   end
# include remote/lib/prelude.sh
# include restore/lib/journal.sh

# accepted_unit TREE: the lines of a unit, which is loaded.
accepted_unit() {
  say unit "$accepted_n" "$(encode "$1")" "$(encode "$target")"
  accepted_files=$(find "$1" -type f -newer "$accepted_since" 2>/dev/null)
  if [ -n "$accepted_files" ]; then
    say changed "$accepted_n" "$(printf '%s\n' "$accepted_files" | wc -l | tr -d ' ')"
    printf '%s\n' "$accepted_files" | head -n 5 | while IFS= read -r accepted_one; do
      say name "$accepted_n" "$(encode "$accepted_one")"
    done
  fi
  find "$1" -type f -name '*.aof' -size +0 2>/dev/null | while IFS= read -r accepted_one; do
    accepted_name=$(encode "${accepted_one#"$1"/}")
    accepted_offset=$(N=$accepted_n NAME=$accepted_name awk -F "$tab" \
      '$1 == ENVIRON["N"] && $3 == ENVIRON["NAME"] { print $2 }' "${journal%/*}/aof-sizes" 2>/dev/null)
    say aof "$accepted_n" "${accepted_offset:--}" "$(encode "$accepted_one")"
  done
}

cd /
valid_id "$2" && journal_load "$1/.relay-backup/restore-$2/journal" || exit 3
if [ "${3-}" = tail ]; then
  case $4 in
    */failed-"$id"/*) ;;
    *) exit 3 ;;
  esac
  tail -c "+$(($5 + 1))" -- "$4" | head -c 1048576
  exit 0
fi
accepted_since=$(mktemp) || exit 3
trap 'rm -f -- "$accepted_since"' EXIT
touch -d "@$epoch" -- "$accepted_since" || exit 3
accepted_n=0
while [ "$accepted_n" -lt "$units" ]; do
  accepted_n=$((accepted_n + 1))
  unit_load "$accepted_n"
  for accepted_tree in "$failed" "$failed".[0-9]*; do
    ! exists "$accepted_tree" || accepted_unit "$accepted_tree"
  done
done
say end
