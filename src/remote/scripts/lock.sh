# Holds the lock of a deployment. A leased script (remote/scripts/lib/lease.sh).
# Arguments (behind the lease's): DEPLOYMENT
#   DEPLOYMENT absolute, or ~/… for a place below the home
# stdin: first who takes the lock, one line
# stdout: records
#   locked PLACE         the lock is ours until the release
#   held SINCE WHO       another run holds it, since that Unix time
#   failed TEXT          it can't be taken
#
# It is the same lock that a restore takes (remote/scripts/lib/lock.sh); beside it lies a note for people, who has it. What
# dead runs have left in private directories there is removed.
# include remote/lib/prelude.sh
# include remote/lib/private.sh
# include remote/lib/lease.sh

lock=
note=

undo() {
  [ -n "$note" ] || return 0
  lock_drop
  drop_home "${lock%/*}"
}

# refuse FIELD...: says why not, and waits for the client to go.
refuse() {
  say "$@"
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

work() {
  lease_next || exit 0
  who=$line
  deployment=$(cd -P -- "$(absolute "$1")" 2>/dev/null && pwd) || refuse failed "there is no directory $1"
  lock_place "$deployment" || refuse failed "$why"
  lock=$lock_home/lock$lock_end
  attempts=0
  until lock_take; do
    attempts=$((attempts + 1))
    if [ -n "$lock_holder" ]; then
      read -r since holder 2>/dev/null <"$lock-note"
      refuse held "${since:--}" "${holder:-process $lock_holder on the server}"
    fi
    [ "$attempts" -le 3 ] || refuse failed "$lock can't be made"
    # A process that gave the lock back at this moment has taken the empty directory away, too.
    make_home "${lock%/*}"
  done
  note=$lock-note
  private_sweep "$lock_home"
  # Where the deployment could not be written to, they lie there.
  [ "$lock_home" = "$HOME/.relay-backup" ] || {
    private_sweep "$HOME/.relay-backup"
    drop_home "$HOME/.relay-backup"
  }
  # On a full disk the note stays empty. The lock holds without it, and that disk's data are wanted most.
  { printf '%s %s\n' "$(date +%s)" "$who" >"$note"; } 2>/dev/null || :
  say locked "$lock"
  while lease_next; do :; done
}

since='' holder='' why=''
lease_run work undo "$@"
