# Moving things by rename alone: never into what is there, never by copying.
# include lib/restore-base.sh

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

# copy_attributes FROM TO: owner, group, mode and time of directory FROM.
copy_attributes() {
  attributes=$(stat -c '%u:%g %a' -- "$1") || return 1
  if [ "$(stat -c %u:%g -- "$2")" != "${attributes% *}" ]; then
    why=$(chown -- "${attributes% *}" "$2" 2>&1) || return 1
  fi
  if [ "$(stat -c '%u:%g %a' -- "$2")" != "$attributes" ]; then
    why=$(chmod -- "${attributes#* }" "$2" 2>&1) || return 1
  fi
  why=$(touch -r "$1" -- "$2" 2>&1)
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
