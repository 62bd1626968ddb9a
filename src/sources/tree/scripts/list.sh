# The names below some paths, each ended by NUL; that of a directory is told twice.
# Arguments: NONCE DIRECTORY WHICH COUNT ROOT... [FIND-EXPRESSION...]
#   WHICH   of what a tar can hold, linked: only regular files with several hard links; single: all others; all: both.
#           special: only what no tar holds or nobody may restore, with a word in front: socket, device or other, and a
#           space
#   COUNT   how many ROOTs there are; each begins with ./
#   The expression names what is not to be looked into; it is listed all the same.
# A root that is a symlink is followed.
# stderr: find's messages (the first 48 KiB), then the status line with the stage find.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include remote/lib/find.sh

nonce=$1 directory=$2 which=$3
shift 3

# What model/entry-types.ts keeps.
list() {
  set -- "$@" '('
  case $which in
    linked) set -- "$@" -type f -links +1 ;;
    single) set -- "$@" -type f ! -links +1 -o -type d -o -type l -o -type p ;;
    all) set -- "$@" -type f -o -type d -o -type l -o -type p ;;
    special) set -- "$@" ! -type f ! -type d ! -type l ! -type p ;;
  esac
  set -- "$@" ')'
  if [ "$which" = special ]; then
    # shellcheck disable=SC2016
    gently find "$@" -exec sh -c 'for name do
      if [ -S "$name" ]; then what=socket
      elif [ -b "$name" ] || [ -c "$name" ]; then what=device
      else what=other; fi
      printf "%s %s\0" "$what" "$name"
    done' relay-backup {} +
  else
    gently find "$@" '(' -type d -print0 -print0 -o -print0 ')'
  fi
}

listed() {
  cd -- "$directory" || return
  find_below list "$@"
}

{
  statuses=$({ { stage find listed "$@" >&4; } 2>&1 | messages_up_to 49152 "$nonce" >&2; } 3>&1)
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
