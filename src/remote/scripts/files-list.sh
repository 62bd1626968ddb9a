# The names below some paths, each ended by NUL.
# Arguments: NONCE DIRECTORY WHICH COUNT ROOT... [FIND-EXPRESSION...]
#   WHICH   linked: only regular files with several hard links; single: all others
#   COUNT   how many ROOTs there are; each begins with ./
#   The expression says what is left out, directories with all that is in them.
# A root that is a symlink is followed.
# stderr: find's messages (the first 48 KiB), then the status line with the stage find.
# include lib/prelude.sh
# include lib/pipeline.sh
# include lib/find.sh

nonce=$1 directory=$2 which=$3
shift 3

list() {
  if [ "$which" = linked ]; then
    gently find "$@" -type f -links +1 -print0
  else
    gently find "$@" '!' '(' -type f -links +1 ')' -print0
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
