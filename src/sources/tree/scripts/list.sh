# What lies below some paths, in records that are ended by NUL: the names that a tar can hold, that of a directory twice;
# and of what no tar holds or nobody may restore a word in front (socket, device, other), a space, and the name. Names
# begin with a dot.
# Arguments: NONCE HOW DIRECTORY COUNT ROOT... [FIND-EXPRESSION...]
#   HOW     all; or linked-first: regular files with several hard links, an empty record, then the rest
#   COUNT   how many ROOTs there are; each is . or begins with ./
#   The expression names what is not to be looked into; it is listed all the same.
# A root that is a symlink is followed.
# stderr: find's messages (the first 48 KiB), then the status line with the stage find.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include remote/lib/find.sh

nonce=$1 how=$2 directory=$3
shift 3

# What model/entry-types.ts keeps.
list_linked() { gently find "$@" -type f -links +1 -print0; }
list_single() { list_kept "$@" '(' -type f ! -links +1 -o -type d -o -type l -o -type p ')'; }
list_all() { list_kept "$@" '(' -type f -o -type d -o -type l -o -type p ')'; }

list_kept() {
  # shellcheck disable=SC2016
  gently find "$@" '(' -type d -print0 -print0 -o -print0 ')' -o \
    ! -type f ! -type d ! -type l ! -type p -exec sh -c 'for name do
      if [ -S "$name" ]; then what=socket
      elif [ -b "$name" ] || [ -c "$name" ]; then what=device
      else what=other; fi
      printf "%s %s\0" "$what" "$name"
    done' relay-backup {} +
}

listed() {
  cd -- "$directory" || return
  if [ "$how" = all ]; then
    find_below list_all "$@"
    return
  fi
  list_status=0
  find_below list_linked "$@" || list_status=$?
  printf '\0'
  find_below list_single "$@" && return "$list_status"
}

{
  statuses=$({ { stage find listed "$@" >&4; } 2>&1 | messages_up_to 49152 "$nonce" >&2; } 3>&1)
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
