# Finds SQLite databases by their header, and what can copy them. Changes nothing.
# Arguments: DEPLOYMENT then any of
#   file PATH -              relative to the deployment, or absolute
#   below DIRECTORY NAME     all below it whose names match NAME, as find -name takes it
# stdout: records, each ended by NUL, their fields parted by one space
#   tool NAME VERSION        sqlite3, python3, or - for none
#   file KIND BYTES PATH     KIND database, empty, other; for each that was asked for
#   found PATH               as find names it
#   denied PATH              it may not be read
#   unread DIRECTORY TEXT    something below it could not be looked into; what find says
#   absent DIRECTORY
#   end
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include sources/sqlite/lib/tool.sh

# Prints the kind of each file; with `found` only what is a database, or may not be read.
find_kinds='
how=$1
shift
for file; do
  kind=other
  if ! [ -r "$file" ]; then printf "denied %s\0" "$file" && continue
  elif [ "$(head -c 15 -- "$file" | tr -d "\000")" = "SQLite format 3" ]; then kind=database
  elif [ ! -s "$file" ]; then kind=empty
  fi
  if [ "$how" = file ]; then printf "file %s %s %s\0" "$kind" "$(stat -L -c %s -- "$file")" "$file"
  elif [ "$kind" = database ]; then printf "found %s\0" "$file"
  fi
done
'

below() {
  if ! [ -d "$1" ]; then
    printf 'absent %s\0' "$1"
    return
  fi
  below_said=$(gently find "$1" -name .relay-backup -prune -o -type f -name "$2" \
    -exec sh -c "$find_kinds" sh found {} + 2>&1 >&4) || :
  [ -z "$below_said" ] || printf 'unread %s %s\0' "$1" "$(printf '%s' "$below_said" | head -n 1)"
}

cd -- "$1" || exit
shift
tool_find
printf 'tool %s %s\0' "${tool:--}" "$tool_version"
exec 4>&1
while [ $# -gt 0 ]; do
  case $1 in
    file) sh -c "$find_kinds" sh file "$2" ;;
    below) below "$2" "$3" ;;
  esac
  shift 3
done
printf 'end\0'
