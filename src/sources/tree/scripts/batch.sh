# A tar of the files named on stdin (each name ended by NUL), for servers whose tar can't take a list itself.
# Arguments: NONCE DIRECTORY FOLLOW; the names are relative to DIRECTORY; FOLLOW is yes when symlinks among them
# are to be followed (roots only).
# stdout: one tar archive, the members in the order of the names, directories without what is in them.
# stderr: tar's own messages (the first 16 KiB); lines `relay-backup:<nonce>:<what> <index>...` about the names with
# these indices (from 0), where <what> is
#   socket      it is a socket: tar leaves it out
#   gone        it is not there any more
#   unreadable  we may not read it
#   changed     it was written to while it was read
# a line `relay-backup:<nonce>:exit <status>` with tar's own exit status,
# and last the status line with the stage tar, which is xargs's.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh

nonce=$1 directory=$2 follow=$3

# Runs as a program of its own, with the names as arguments; fd 6 is our stderr past the limit for messages.
# shellcheck disable=SC2016
program='
nonce=$1 follow=$2
shift 2

# report_names WORD INDEXES: nothing when there are none.
report_names() { [ -z "$2" ] || report "$nonce" "$1" "${2# }" >&6; }

# One line a name: time and size and inode. busybox tar tells nobody that a file changed under it.
states() {
  listed=$(stat -c "%y %s %i" -- "$@" 2>/dev/null)
  [ "$(printf "%s\n" "$listed" | wc -l)" -eq "$#" ] || listed=$(
    for name do stat -c "%y %s %i" -- "$name" 2>/dev/null || echo gone; done
  )
  printf "%s\n" "$listed"
}

before=$(states "$@")
flags=
[ "$follow" = no ] || flags=-h
# shellcheck disable=SC2086
tar c $flags --no-recursion -f - -- "$@"
status=$?
# xargs makes 123 of it.
report "$nonce" exit "$status" >&6
after=$(states "$@")

if [ "$before" != "$after" ]; then
  printf "%s\n" "$before" | {
    index=0
    changed=
    while IFS= read -r was && IFS= read -r is <&5; do
      if [ "$was" != "$is" ] && [ "$was" != gone ] && [ "$is" != gone ]; then changed="$changed $index"; fi
      index=$((index + 1))
    done
    report_names changed "$changed"
  } 5<<END
$after
END
fi
index=0
sockets= gone= unreadable=
for name do
  if [ -S "$name" ]; then
    sockets="$sockets $index"
  elif [ "$status" -ne 0 ] && [ ! -L "$name" ]; then
    if [ ! -e "$name" ]; then
      gone="$gone $index"
    elif [ ! -r "$name" ] && { [ -f "$name" ] || [ -d "$name" ]; }; then
      unreadable="$unreadable $index"
    fi
  fi
  index=$((index + 1))
done
report_names socket "$sockets"
report_names gone "$gone"
report_names unreadable "$unreadable"
exit "$status"
'

batch() {
  cd -- "$directory" || return
  # Big enough for one run: hard links are only seen within one.
  gently xargs -0 -s 120000 sh -c "$report_definition
$program" relay-backup "$nonce" "$follow"
}

{
  statuses=$({ { stage tar batch >&4; } 6>&2 2>&1 | messages_up_to 16384 "$nonce" >&2; } 3>&1)
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
