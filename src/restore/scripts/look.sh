# What a restore must know of its targets before it begins. Changes nothing.
# Arguments: DEPLOYMENT TARGET...
# stdout, fields parted by TAB:
#   me UID GID GROUPS            numbers; the groups by name, parted by spaces
#   sudo yes|no                  without a password
#   lock PID                     of a restore that runs; -
#   open ID                      a restore whose journal is open
#   deployment TYPE FREE PATH
#   target N TYPE MOUNT INSIDE DEVICE MISSING SAME UID GID MODE KIB WHOLE WRITABLE PARENT-WRITABLE FREE PATH
#     TYPE absent, file, directory, symlink, other; MOUNT yes: a mount point; INSIDE yes: something is mounted in it;
#     DEVICE of itself, or of the nearest ancestor that is there; MISSING how many ancestors are not there; SAME yes:
#     it can be renamed into the deployment's .relay-backup; MODE octal; KIB on the disk; WHOLE no: not all of it could
#     be read; FREE KiB for us on its file system; PATH without symlinks in its ancestors, encoded.
#   empty N                      target N is a directory with nothing in it
#   user N PID NAME              a process that uses target N
# include remote/lib/prelude.sh
# include remote/lib/lock.sh
# include restore/lib/journal.sh
# include restore/lib/users.sh

type_of() {
  if [ -L "$1" ]; then echo symlink
  elif [ -d "$1" ]; then echo directory
  elif [ -f "$1" ]; then echo file
  elif [ -e "$1" ]; then echo other
  else echo absent
  fi
}

yes_if() {
  if "$@"; then echo yes; else echo no; fi
}

free_kib() {
  # A device's name may have spaces: count from the percentage.
  df -P -k -- "$1" 2>/dev/null | awk 'NR == 2 { for (n = NF; n > 1; n--) if ($n ~ /^[0-9]+%$/) { print $(n - 1); exit } }'
}

look() {
  look_type=$(type_of "$2")
  parent "$2"
  nearest "$parent"
  look_missing=$missing look_near=$near
  if physical "$near"; then
    look_path=${physical%/}${2#"${near%/}"}
    look_near=$physical
  else
    look_path=$2
  fi
  mount_find "$look_path"
  look_mount=$mount_is
  look_inside=no
  [ -z "$mount_below" ] || look_inside=yes
  look_same=$(yes_if same_mount "$look_near" "$look_home")
  look_stat="$(stat -c %d -- "$look_near")$tab-$tab-$tab-"
  look_used=0 look_whole=yes look_writable=no
  if [ "$look_type" != absent ]; then
    look_stat=$(stat -c "%d$tab%u$tab%g$tab%a" -- "$2")
    look_used=$(du -sk -- "$2" 2>/dev/null) || look_whole=no
    look_used=${look_used%%"$tab"*}
    look_writable=$(yes_if test -w "$2")
  fi
  # A directory that can't be listed may have anything in it.
  if [ "$look_type" = directory ] && look_names=$(ls -A -- "$2" 2>/dev/null) && [ -z "$look_names" ]; then
    say empty "$1"
  fi
  look_free=$(if [ "$look_mount" = yes ]; then free_kib "$look_path"; else free_kib "$look_near"; fi)
  say target "$1" "$look_type" "$look_mount" "$look_inside" "${look_stat%%"$tab"*}" "$look_missing" "$look_same" \
    "${look_stat#*"$tab"}" "${look_used:-0}" "$look_whole" "$look_writable" "$(yes_if test -w "$look_near")" \
    "${look_free:--}" "$(encode "$look_path")"
}

cd /
deployment=$1
shift
say me "$(id -u)" "$(id -g)" "$(id -Gn 2>/dev/null)"
say sudo "$(yes_if sudo -n true 2>/dev/null)"
lock=$deployment/.relay-backup/lock
lock_read
say lock "${lock_holder:--}"
for look_journal in "$deployment"/.relay-backup/restore-*/journal; do
  journal_load "$look_journal" && [ "$state" != closed ] && say open "$id"
done
nearest "$deployment"
look_home=$near
look_free=$(free_kib "$near")
look_path=$deployment
physical "$near" && look_path=${physical%/}${deployment#"${near%/}"}
say deployment "$(type_of "$look_path")" "${look_free:--}" "$(encode "$look_path")"
look_number=0
for look_target; do
  look_number=$((look_number + 1))
  look "$look_number" "$look_target"
done
for look_target; do
  shift
  parent "$look_target"
  physical "$parent" && exists "$look_target" || {
    set -- "$@" "$look_target"
    continue
  }
  set -- "$@" "${physical%/}/${look_target##*/}"
done
users "$@" | while IFS= read -r look_line; do say user "$look_line"; done
