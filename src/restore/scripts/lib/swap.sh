# The swap: the old aside, what is carried into the new, the new in its place.
# include restore/lib/journal.sh
# include restore/lib/move.sh
# include restore/lib/carry.sh

# check_unit N: fails with $why when the unit can't be put in place, or would be anywhere but where it says.
check_unit() {
  why=
  unit_load "$1"
  case $target in
    *//* | */ | */./* | */../* | */. | */..) why="$target is no plain path" ;;
    /*) ;;
    *) why="$target is not absolute" ;;
  esac
  case $aside in
    */../* | */..) why="$aside is no plain path" ;;
    "$home/rollback-$id/"*) ;;
    *) why="$aside is not in $home/rollback-$id" ;;
  esac
  case $staged in
    */../* | */..) why="$staged is no plain path" ;;
    - | "$home/restore-$id/"*) ;;
    *) why="$staged is not in $home/restore-$id" ;;
  esac
  case $kind in
    rename | children) ;;
    *) why="the kind $kind" ;;
  esac
  [ -z "$why" ] || return 1
  parent "$target"
  nearest "$parent"
  # Through a symlink it would be written somewhere else than it says.
  physical "$near" || {
    why="$near can't be entered"
    return 1
  }
  if [ "$physical" != "$near" ]; then
    why="$near is reached through a symlink; its real path is $physical"
    return 1
  fi
  make_home "$home" || return 1
  mount_find "$target"
  if [ "$kind" = children ]; then
    if [ -L "$target" ] || ! [ -d "$target" ]; then
      why="$target is not a directory"
      return 1
    fi
    same_mount "$target" "$home" || {
      why="$target and $home are not on one file system"
      return 1
    }
    return 0
  fi
  if [ "$mount_is" = yes ]; then
    why="$target is a mount point"
    return 1
  fi
  if [ -n "$mount_below" ]; then
    why="a file system is mounted in $target"
    return 1
  fi
  case ${journal%/*}/ in
    "$target"/*)
      why="$target holds the journal"
      return 1
      ;;
  esac
  if [ -L "$target" ] && { [ "$staged" = - ] || { exists "$staged" && [ ! -L "$staged" ]; }; }; then
    why="$target is a symlink"
    return 1
  fi
  same_mount "$near" "$home" || {
    why="$target and $home are not on one file system"
    return 1
  }
}

check_units() {
  check_n=0
  while [ "$check_n" -lt "$units" ]; do
    check_n=$((check_n + 1))
    check_unit "$check_n" || return 1
  done
}

swap_unit() {
  check_unit "$1" || return 1
  if [ "$staged" != - ] && ! exists "$staged"; then
    why="$staged is not there"
    return 1
  fi
  if [ "$kind" = children ] && [ "$staged" != - ] && { [ -L "$staged" ] || ! [ -d "$staged" ]; }; then
    why="$staged is not a directory"
    return 1
  fi
  parent "$target"
  nearest "$parent"
  if [ "$missing" -gt 0 ]; then
    journal_add made "$1" "$missing" || return 1
    make_parents "$target" || return 1
    parent "$target"
  fi
  why=$(mkdir -p -- "${aside%/*}" 2>&1) || return 1
  if exists "$aside"; then
    why="something is already at $aside"
    return 1
  fi
  touch -r "$parent" -- "$parent_time"
  [ "$kind" != children ] || touch -r "$target" -- "$parent_time.old"
  old_inode=- old_owner=- old_mode=-
  ! exists "$target" ||
    old_inode=$(inode "$target") old_owner=$(owner_of "$target") old_mode=$(mode_of "$target")
  journal_add out "$1" "$old_inode" "$old_owner" "$old_mode" || return 1
  case $kind in
    rename)
      [ "$old_inode" = - ] || move "$target" "$aside" || return 1
      ;;
    children)
      why=$(mkdir -- "$aside" 2>&1) || return 1
      move_children "$target" "$aside" - || return 1
      set_attributes "$aside" "$old_owner" "$old_mode" "$parent_time.old" || return 1
      ;;
  esac
  if [ "$staged" != - ]; then
    carry_mark "$1" "$aside" "$staged" "$marks" || return 1
    journal_add carried "$1" || return 1
    carry_over "$1" "$aside" "$staged" "$marks" || return 1
    swap_carried=$(carry_count "$marks")
    [ "${swap_carried:-0}" -eq 0 ] || note "carried over into $target: $swap_carried"
    [ "$carry_left" -eq 0 ] || note "without a place in $target, kept in $aside: $carry_left"
    journal_add in "$1" || return 1
    case $kind in
      rename) move "$staged" "$target" || return 1 ;;
      children)
        touch -r "$staged" -- "$parent_time.new"
        move_children "$staged" "$target" - || return 1
        set_attributes "$target" "$(owner_of "$staged")" "$(mode_of "$staged")" "$parent_time.new" || return 1
        ;;
    esac
  fi
  sync_path "$parent"
  # Whatever is written from here on is nobody's archive.
  late_mark "$swap_time"
  note "swapped: $target"
}

swap_units() {
  journal_add swapping || return 1
  swap_n=0
  while [ "$swap_n" -lt "$units" ]; do
    swap_n=$((swap_n + 1))
    swap_unit "$swap_n" || return 1
  done
  journal_add swapped
}
