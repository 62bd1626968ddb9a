# Private directories: what must not outlive us on a server, such as copies of databases or the content of a `.env`. They
# lie in the `.relay-backup` of the deployment (lock_place), as WORD-ID-MARK. The mark names the process that works there
# (mark_own). A script that makes one is leased, and its undo drops it. What a killed process or a reboot has left is known
# by its mark, and goes with the next private_sweep.
# include remote/lib/lock.sh

# private_make WORD DEPLOYMENT ID: makes one, in $private, and removes what others have left beside it. Fails with $why.
private_make() {
  private_home=$2/.relay-backup
  # Root works in a deployment of somebody else, whose .relay-backup is there.
  if [ "$(id -u)" != 0 ] || ! [ -d "$private_home" ] || [ -L "$private_home" ]; then
    lock_place "$2" || return 1
    private_home=$lock_home
  fi
  private_sweep "$private_home"
  mark_own || mark=0.0.$(boot_id)
  private=$private_home/$1-$3-$mark
  why=$(mkdir -m 700 -- "$private" 2>&1) || {
    private=
    return 1
  }
  hand_over "$private"
}

# private_drop: removes the one that was made; for undo.
private_drop() {
  [ -n "$private" ] || return 0
  rm -rf -- "$private"
  private=
  drop_home "$private_home"
}

# private_left HOME: those in this .relay-backup whose process is gone; one a line.
private_left() {
  [ -d "$1" ] && [ ! -L "$1" ] || return 0
  for private_one in "$1"/copies-* "$1"/compose-*; do
    private_mark=${private_one##*/}
    private_mark=${private_mark#*-}
    ! [ -d "$private_one" ] || mark_alive "${private_mark#*-}" || printf '%s\n' "$private_one"
  done
}

# private_sweep HOME: removes these.
private_sweep() {
  private_left "$1" | while IFS= read -r private_one; do rm -rf -- "$private_one"; done
}

private=
