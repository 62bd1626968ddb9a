# Moving things by rename alone: never into what is there, never by copying.
# include restore/lib/base.sh

# move FROM TO: renames; TO must not exist. Fails with $why. The caller has checked same_mount.
move() {
  if ! exists "$1"; then
    why="$1 is not there"
    return 1
  fi
  if exists "$2"; then
    why="something is already at $2"
    return 1
  fi
  # -T: never into a directory that has appeared since; -n: nor over a file. Neither is told by the status.
  why=$(mv -n -T -- "$1" "$2" 2>&1 </dev/null) || {
    why=${why:-mv failed}
    return 1
  }
  if exists "$1"; then
    why="something has appeared at $2"
    return 1
  fi
}

# move_children FROM TO ASIDE: every child of directory FROM, but our own, becomes a child of TO. What TO has
# under the same name goes to directory ASIDE first, or is an error where ASIDE is -.
move_children() {
  for child in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    exists "$child" || continue
    child_name=${child##*/}
    [ "$child_name" != .relay-backup ] || continue
    if [ "$3" != - ] && exists "$2/$child_name"; then
      mkdir -p -- "$3"
      move "$2/$child_name" "$3/$child_name" || return 1
    fi
    move "$child" "$2/$child_name" || return 1
  done
}

# owner_of PATH, mode_of PATH: of the thing itself, on stdout.
owner_of() { stat -c %u:%g -- "$1"; }
mode_of() { stat -c %a -- "$1"; }

# set_attributes DIRECTORY OWNER MODE REFERENCE: its owner and group, its mode, and the time that REFERENCE has.
set_attributes() {
  if [ "$(owner_of "$1")" != "$2" ]; then
    why=$(chown -- "$2" "$1" 2>&1) || return 1
  fi
  if [ "$(mode_of "$1")" != "$3" ]; then
    why=$(chmod -- "$3" "$1" 2>&1) || return 1
  fi
  why=$(touch -r "$4" -- "$1" 2>&1)
}

# unused PATH: this path or, when it is taken, the first free of PATH.2, PATH.3, ..., in $unused.
unused() {
  unused=$1
  unused_count=1
  while exists "$unused"; do
    unused_count=$((unused_count + 1))
    unused=$1.$unused_count
  done
}
