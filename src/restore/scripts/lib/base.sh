# What the restore scripts share besides their words (talk.sh).
# include remote/lib/talk.sh

exists() {
  [ -e "$1" ] || [ -L "$1" ]
}

# inode PATH: device and inode of the thing itself, on stdout; nothing when it is not there.
inode() {
  stat -c %d:%i -- "$1" 2>/dev/null
}

# sync_path PATH: on the disk when this returns. Where sync takes no name, everything is.
sync_path() {
  sync "$1" 2>/dev/null || sync
}

# parent PATH: in $parent.
parent() {
  parent=${1%/*}
  parent=${parent:-/}
}

# nearest PATH: its nearest ancestor that is there, or itself, in $near; how many levels are missing in $missing.
nearest() {
  near=$1
  missing=0
  while ! exists "$near"; do
    near=${near%/*}
    near=${near:-/}
    missing=$((missing + 1))
  done
}

# physical DIRECTORY: the same without symlinks, in $physical; fails when it can't be entered.
physical() {
  physical=$(cd -P -- "$1" 2>/dev/null && pwd -P && echo .) || return 1
  physical=${physical%"$newline".}
}

# mount_find PATH: about the mount that holds this path (absolute, no symlinks): $mount_id, $mount_device,
# $mount_root and $mount_at as in mountinfo; $mount_is: it is a mount point itself; $mount_below: a mount point
# below it, or nothing.
mount_find() {
  mount_path=$(printf '%s.' "$1" | sed -e ':all' -e '$!{N;b all' -e '}' \
    -e 's/\\/\\134/g' -e 's/ /\\040/g' -e "s/$tab/\\\\011/g" -e 's/\n/\\012/g')
  mount_path=${mount_path%.}
  # In a variable: bash 5.2 matches nothing with a quoted expansion in a pattern that comes out empty.
  mount_prefix=${mount_path%/}
  mount_id='' mount_device='' mount_root='' mount_at='' mount_is=no mount_below=''
  [ -r /proc/self/mountinfo ] || return 0
  while read -r m_id m_parent m_device m_root m_at m_rest; do
    case $m_at in
      "$mount_path") mount_is=yes ;;
      "$mount_prefix"/*)
        mount_below=$m_at
        continue
        ;;
    esac
    m_prefix=${m_at%/}
    case $mount_path/ in
      # The last of those on one mount point is the one on top.
      "$m_prefix"/*)
        [ "${#m_at}" -lt "${#mount_at}" ] ||
          mount_id=$m_id mount_device=$m_device mount_root=$m_root mount_at=$m_at
        ;;
    esac
  done </proc/self/mountinfo
}

# same_mount DIRECTORY DIRECTORY: a rename from one into the other is possible. Two bind mounts of one file system
# have the same device, and still mv would copy.
same_mount() {
  [ "$(stat -L -c %d -- "$1" 2>/dev/null)" = "$(stat -L -c %d -- "$2" 2>/dev/null)" ] || return 1
  physical "$1" || return 1
  mount_find "$physical"
  mount_first=$mount_id
  physical "$2" || return 1
  mount_find "$physical"
  [ "$mount_first" = "$mount_id" ]
}

# hand_over PATH...: to the user whose root we are in a helper container (helper.sh): he may see without being root
# which journals are open, and lock.
hand_over() {
  [ -z "${RELAY_UID-}" ] || chown -h -- "$RELAY_UID:${RELAY_GID-}" "$@"
}

# add_full PATH: adds the system's own words to $why where the disk of PATH is full. A shell does not pass them on: dash
# says I/O error, busybox nothing.
add_full() {
  full_free=$(df -P -k -- "${1%/*}/" 2>/dev/null |
    awk 'NR == 2 { for (n = NF; n > 1; n--) if ($n ~ /^[0-9]+%$/) { print $(n - 1); exit } }')
  # What is left of a block or two takes nothing either.
  case $full_free in
    [0-7]) why="$why: No space left on device" ;;
  esac
}

# make_home DIRECTORY: makes this .relay-backup, private to us; fails with $why when what is there is not ours, nor
# that user's.
make_home() {
  case $1 in
    /*/.relay-backup | /.relay-backup) ;;
    *)
      why="$1 is no .relay-backup directory"
      return 1
      ;;
  esac
  exists "$1" || keep_time "${1%/*}/" mkdir -m 700 -- "$1" 2>/dev/null
  if [ -L "$1" ] || ! [ -d "$1" ]; then
    why="$1 can't be made"
    if exists "$1"; then why="$1 is not a directory"; else add_full "$1"; fi
    return 1
  fi
  make_owner=$(stat -c %u -- "$1")
  if [ "$make_owner" != "$(id -u)" ] && [ "$make_owner" != "${RELAY_UID-}" ]; then
    why="$1 belongs to uid $make_owner"
    return 1
  fi
}

# keep_time DIRECTORY COMMAND...: runs the command, which changes what is in the directory, and puts the
# directory's time back.
keep_time() {
  keep_directory=$1
  shift
  keep_reference=$(mktemp 2>/dev/null) || {
    "$@"
    return
  }
  touch -r "$keep_directory" -- "$keep_reference"
  "$@"
  keep_status=$?
  touch -r "$keep_reference" -- "$keep_directory" 2>/dev/null
  rm -f -- "$keep_reference"
  return "$keep_status"
}

# drop_home DIRECTORY: removes a .relay-backup that holds nothing any more.
drop_home() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -z "$(ls -A -- "$1" 2>/dev/null)" ] || return 0
  keep_time "${1%/*}/" rmdir -- "$1" 2>/dev/null
}

# make_parents PATH: makes the missing ancestors of a path, with the owner and group of the nearest one that is
# there. They are for services to pass through: 0755.
make_parents() {
  parent "$1"
  nearest "$parent"
  [ "$missing" -gt 0 ] || return 0
  made_owner=$(stat -L -c %u:%g -- "$near") || return 1
  made_rest=${parent#"${near%/}"/}
  made_path=${near%/}
  while [ -n "$made_rest" ]; do
    made_path=$made_path/${made_rest%%/*}
    case $made_rest in
      */*) made_rest=${made_rest#*/} ;;
      *) made_rest= ;;
    esac
    why=$(mkdir -m 755 -- "$made_path" 2>&1) || return 1
    [ "$(stat -c %u:%g -- "$made_path")" = "$made_owner" ] ||
      why=$(chown -- "$made_owner" "$made_path" 2>&1) || return 1
  done
}

# valid_id ID: usable as part of a directory's name.
valid_id() {
  case $1 in
    '' | *[!A-Za-z0-9_-]*) return 1 ;;
  esac
}

# remove_tree PATH: rm -rf for our own directories alone, and never into a mounted file system.
remove_tree() {
  case $1 in
    */.relay-backup/restore-* | */.relay-backup/rollback-* | */.relay-backup/failed-*) ;;
    */.relay-backup/hold-*) ;;
    *)
      why="$1 is not ours to remove"
      return 1
      ;;
  esac
  exists "$1" || return 0
  mount_find "$1"
  if [ -n "$mount_below" ] || [ "$mount_is" = yes ]; then
    why="a file system is mounted in $1"
    return 1
  fi
  # Directories without write permission keep rm out; whoever may not change modes fails at rm.
  rm -rf -- "$1" 2>/dev/null || {
    find "$1" -type d ! -perm -700 -exec chmod u+rwx {} + 2>/dev/null
    why=$(rm -rf -- "$1" 2>&1)
  }
}
