# Holds the lock of a deployment. A leased script (lib/lease.sh).
# Arguments (behind the lease's): DEPLOYMENT STALE_MINUTES
#   DEPLOYMENT absolute, or ~/… for a place below the home
# stdin: first who takes the lock, one line
# stdout: lines
#   locked PLACE         the lock is ours until the release
#   held SINCE WHO       another run holds it, since that Unix time
#   failed TEXT          it can't be taken
#
# The lock is a directory, made by mkdir: of two that try at once one succeeds. While it is held a beat file in
# it is touched; a lock whose beat is older than STALE_MINUTES belongs to a script that died without undoing (a
# power cut), and is taken over.
# include lib/prelude.sh
# include lib/lease.sh

place=
made=

undo() {
  [ -n "$made" ] || return 0
  # Only what is still ours: after a long standstill (a laptop lid, a stopped VM) it may be another's by now.
  [ "$(cat "$place/owner" 2>/dev/null)" = "$owner" ] || return 0
  rm -f "$place/owner" "$place/beat"
  rmdir "$place" 2>/dev/null && rmdir "${place%/*}" 2>/dev/null
}

failed() {
  printf 'failed %s\n' "$1"
  while lease_next; do :; done
  exit 0
}

absolute() {
  case $1 in
    '~') printf '%s\n' "$HOME" ;;
    '~/'*) printf '%s/%s\n' "$HOME" "${1#'~/'}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

# Is the beat recent? A lock just being made has none yet; then its directory counts.
alive() {
  beaten=$1/beat
  [ -e "$beaten" ] || beaten=$1
  [ -n "$(find "$beaten" -prune -mmin "-$2" 2>/dev/null)" ]
}

# Removes a stale lock, under a lock of its own: of two that found it stale the slower one must not remove what
# the faster one has made since.
take_over() {
  if mkdir "$place.takeover" 2>/dev/null; then
    alive "$place" "$stale" || { mv "$place" "$place.stale-$$" && rm -rf "$place.stale-$$"; } 2>/dev/null
    rmdir "$place.takeover"
  elif alive "$place.takeover" "$stale"; then
    lease_sleep 1
  else
    rmdir "$place.takeover" 2>/dev/null
  fi
}

work() {
  stale=$2
  lease_next || exit 0
  now=$(date +%s)
  # What comes before the name makes it ours alone.
  owner="$now $$-$now $line"
  deployment=$(cd -P -- "$(absolute "$1")" 2>/dev/null && pwd) || failed "there is no directory $1"
  parent=$deployment/.relay-backup
  if ! mkdir -p "$parent" 2>/dev/null || [ ! -w "$parent" ]; then
    rmdir "$parent" 2>/dev/null
    # Somebody who may only read there: those with the same home exclude each other.
    parent=$HOME/.relay-backup
    mkdir -p "$parent" 2>/dev/null || failed "neither $deployment nor $HOME can be written to"
    place=$parent/lock-$(printf '%s' "$deployment" | cksum | cut -d ' ' -f 1)
  else
    place=$parent/lock
  fi
  attempts=0
  until mkdir "$place" 2>/dev/null; do
    attempts=$((attempts + 1))
    [ "$attempts" -le 5 ] || failed "$place can't be made"
    if [ ! -d "$place" ]; then
      # It was given back at this moment, and its parent with it.
      mkdir -p "$parent" 2>/dev/null
      continue
    fi
    if alive "$place" "$stale"; then
      holder=$(cat "$place/owner" 2>/dev/null)
      since=${holder%% *}
      holder=${holder#* }
      printf 'held %s %s\n' "${since:-$now}" "${holder#* }"
      while lease_next; do :; done
      exit 0
    fi
    take_over
  done
  made=yes
  printf '%s\n' "$owner" >"$place/owner" && : >"$place/beat" || failed "$place can't be written to"
  printf 'locked %s\n' "$place"
  while lease_next; do
    # The client sends a line now and then: the beat of the lock is the client's own.
    [ "$(cat "$place/owner" 2>/dev/null)" = "$owner" ] || exit 1
    : >"$place/beat"
  done
}

lease_run work undo "$@"
