# Makes the directories that a restore is unpacked into.
# Arguments: DEPLOYMENT ID new|again DIRECTORY...
#   again: what was unpacked into one of them before is removed
#   Each directory is below a .relay-backup/restore-ID.
# Exit status: 0; 1 with the reason on stdout, and then nothing was made that the restore's end does not remove.
# include remote/lib/prelude.sh
# include restore/lib/base.sh

# plain_directory DIRECTORY: without the ACL that its parent hands down: what has none in the archive would get one.
plain_directory() {
  setfacl -b -- "$1" 2>/dev/null && return
  case $(tar --version 2>/dev/null) in
    # A member without an ACL takes the directory's away.
    *'GNU tar'*) tar -C "${1%/*}" -c -f - --no-recursion -- "${1##*/}" | tar -C "${1%/*}" -x -p -f - --acls ;;
  esac 2>/dev/null
}

refuse() {
  plain "$why"
  printf '%s\n' "$plain"
  exit 1
}

deployment=$1 id=$2 state=$3
shift 3
why='the id is none'
valid_id "$id" || refuse
why=
make_parents "$deployment/.relay-backup" && make_home "$deployment/.relay-backup" || refuse
hand_over "$deployment/.relay-backup"
for directory; do
  home=${directory%%/.relay-backup/restore-*}/.relay-backup
  why="$directory is not in a .relay-backup/restore-$id"
  case $directory in
    */../* | */..) refuse ;;
    "$home/restore-$id"/*) ;;
    *) refuse ;;
  esac
  make_home "$home" || refuse
  why="$home/restore-$id is a symlink"
  [ ! -L "$home/restore-$id" ] || refuse
  [ "$state" = new ] || remove_tree "$directory" || refuse
  why=$(mkdir -p -- "${directory%/*}" 2>&1) || refuse
  why=$(mkdir -m 700 -- "$directory" 2>&1) || refuse
  plain_directory "$directory"
done
