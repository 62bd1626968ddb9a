# Carrying what the snapshot leaves out from the old tree into the new one, and back.
#
# What is carried is marked first, by an empty file of the same relative name in a tree of its own: so any name can
# be journaled. The directories of that tree keep the times that the old ones had.
# include restore/lib/base.sh

# Run by find, once for many names. The current directory is the old tree.
carry_mark_script='
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# along PATH PATTERN: the pattern matches the path, component by component; ** is any number of directories, and at
# the end everything in one.
along() {
  while :; do
    case $2 in
      "") [ -z "$1" ]; return ;;
      "**") [ -n "$1" ]; return ;;
      "**/"*)
        set -- "$1" "${2#??/}"
        until along "$1" "$2"; do
          case $1 in */*) set -- "${1#*/}" "$2" ;; *) return 1 ;; esac
        done
        return 0
        ;;
    esac
    [ -n "$1" ] || return 1
    glob=${2%%/*}
    case ${1%%/*} in
      $glob) ;;
      *) return 1 ;;
    esac
    case $1 in */*) rest=${1#*/} ;; *) rest= ;; esac
    case $2 in */*) set -- "$rest" "${2#*/}" ;; *) set -- "$rest" "" ;; esac
  done
}

# left_out NAME PATH: what the rules (src/model/path-filter.ts) say of it; the last that matches counts.
left_out() {
  verdict=1
  for rule in $carry_patterns; do
    case $rule in
      ?d*) [ -d "$1" ] && [ ! -L "$1" ] || continue ;;
    esac
    glob=${rule#???}
    case $rule in
      ??a*) along "$2" "$glob" || continue ;;
      *)
        case ${2##*/} in
          $glob) ;;
          *) continue ;;
        esac
        ;;
    esac
    case $rule in !*) verdict=1 ;; *) verdict=0 ;; esac
  done
  return "$verdict"
}

# Makes the directories that only the old tree has. A symlink in the way is not followed.
make_directories() {
  done=. rest=$1
  while [ -n "$rest" ]; do
    above=$done done=$done/${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    [ ! -L "$carry_new/$done" ] || return 1
    [ ! -d "$carry_new/$done" ] || continue
    ! exists "$carry_new/$done" || return 1
    touch -r "$carry_new/$above" -- "$carry_marks.time" &&
      mkdir -- "$carry_new/$done" || return 1
    owner=$(stat -c %u:%g -- "$done")
    [ "$(stat -c %u:%g -- "$carry_new/$done")" = "$owner" ] || chown -- "$owner" "$carry_new/$done" || return 1
    # An ACL, and none that was handed down.
    setfacl -b -- "$carry_new/$done" 2>/dev/null &&
      getfacl -p -- "$done" 2>/dev/null | setfacl --set-file=- -- "$carry_new/$done" 2>/dev/null
    chmod -- "$(stat -c %a -- "$done")" "$carry_new/$done" &&
      touch -r "$done" -- "$carry_new/$done" &&
      touch -r "$carry_marks.time" -- "$carry_new/$above" || return 1
  done
}

mark() {
  case $1 in
    */*) directory=${1%/*} ;;
    *) directory= ;;
  esac
  # Below something that is carried whole there is nothing to do.
  [ -d "$carry_marks/$directory" ] || mkdir -p -- "$carry_marks/$directory" 2>/dev/null || return 0
  # What the snapshot has wins, and what has no place in it stays in the old tree.
  if exists "$carry_new/$1" || ! make_directories "$directory" || ! printf "" >"$carry_marks/$1"; then
    echo left >>"$carry_marks.left"
  fi
}

IFS="
"
set -f
for found; do
  found=${found#./}
  if [ -z "$carry_patterns" ]; then
    mark "$found"
    continue
  fi
  ! left_out "$found" "${carry_member:+$carry_member/}$found" || mark "$found"
done
'

carry_move_script='
exists() { [ -e "$1" ] || [ -L "$1" ]; }

# No symlink on the way to this name.
real() {
  at=$1 rest=$2
  while :; do
    case $rest in
      */*) at=$at/${rest%%/*} rest=${rest#*/} ;;
      *) return 0 ;;
    esac
    [ -d "$at" ] && [ ! -L "$at" ] || return 1
  done
}

for mark; do
  name=${mark#"$carry_marks"/}
  from= to=
  if [ "$carry_way" = over ]; then
    from=$carry_old to=$carry_new
    exists "$from/$name" || continue
  else
    to=$carry_old
    ! exists "$to/$name" || continue
    for from in "$carry_new" "$carry_placed"; do
      [ "$from" = - ] || { real "$from" "$name" && exists "$from/$name"; } && break
    done
    [ "$from" != - ] && real "$from" "$name" && exists "$from/$name" || continue
  fi
  case $name in
    */*) above=${name%/*} ;;
    *) above=. ;;
  esac
  touch -r "$to/$above" -- "$carry_marks.time"
  if real "$to" "$name" && mv -n -T -- "$from/$name" "$to/$name" && ! exists "$from/$name"; then
    touch -r "$carry_marks.time" -- "$to/$above"
  else
    echo "$name" >>"$carry_marks.failed"
  fi
done
'

carry_times_script='
for mark; do
  name=${mark#"$carry_marks"}
  if [ "$carry_way" = over ]; then
    touch -r "$carry_old$name" -- "$mark"
  else
    touch -r "$mark" -- "$carry_old$name"
  fi
done
'

# carry_mark N OLD NEW MARKS: marks what unit N carries; the directories it needs are made in NEW. The number of
# things that match and have no place in NEW in $carry_left.
carry_mark() {
  eval "carry_member=\$carry_${1}_member carry_all=\$carry_${1}_patterns carry_names=\$carry_${1}_names"
  carry_left=0
  [ -n "$carry_all$carry_names" ] || return 0
  [ -d "$2" ] && [ ! -L "$2" ] && [ -d "$3" ] && [ ! -L "$3" ] || return 0
  carry_old=$2 carry_new=$3 carry_marks=$4
  carry_number=$1
  rm -rf -- "$carry_marks.left" "$carry_marks.failed"
  why=$(mkdir -p -- "$carry_marks" 2>&1) || return 1
  carry_patterns=$carry_all
  export carry_member carry_patterns carry_new carry_marks carry_old
  if [ -n "$carry_patterns" ]; then
    set --
    set -f
    IFS=$newline
    for carry_one in $carry_patterns; do
      case $carry_one in !*) continue ;; esac
      [ $# -eq 0 ] || set -- "$@" -o
      # A superset by the last component; the script looks at the others.
      carry_one=${carry_one#???}
      set -- "$@" -name "${carry_one##*/}"
    done
    [ $# -gt 0 ] || set -- -name ''
    unset IFS
    set +f
    why=$(cd -- "$carry_old" && find . ! -name . \( "$@" \) -exec sh -c "$carry_mark_script" sh {} + 2>&1) ||
      return 1
  fi
  if [ -n "$carry_names" ]; then
    carry_patterns=
    while IFS= read -r carry_one; do
      [ -n "$carry_one" ] || continue
      decode "$carry_one"
      case /$decoded/ in
        */../* | */./* | *//*) continue ;;
      esac
      exists "$carry_old/$decoded" || continue
      (cd -- "$carry_old" && sh -c "$carry_mark_script" sh "$decoded" </dev/null) >/dev/null 2>&1
    done <<CARRY_NAMES
$carry_names
CARRY_NAMES
  fi
  [ ! -f "$carry_marks.left" ] || carry_left=$(wc -l <"$carry_marks.left")
  carry_way=over
  export carry_way
  find "$carry_marks" -type d -exec sh -c "$carry_times_script" sh {} +
  sync_path "$carry_marks"
}

# carry_over N OLD NEW MARKS: moves what is marked.
carry_over() {
  [ -d "$4" ] || return 0
  carry_old=$2 carry_new=$3 carry_placed=- carry_marks=$4 carry_way=over
  carry_move
}

# carry_back N OLD NEW PLACED MARKS: moves back what is marked and is not in OLD, from NEW or from PLACED (- for
# neither), and puts back the times of the directories it was in.
carry_back() {
  [ -d "$5" ] || return 0
  carry_old=$2 carry_new=$3 carry_placed=$4 carry_marks=$5 carry_way=back
  carry_move || return 1
  find "$carry_marks" -type d -exec sh -c "$carry_times_script" sh {} +
}

carry_move() {
  rm -f -- "$carry_marks.failed"
  export carry_old carry_new carry_placed carry_marks carry_way
  # find's own status does not tell of the command's in every find.
  carry_said=$(find "$carry_marks" -type f -exec sh -c "$carry_move_script" sh {} + 2>&1)
  [ -f "$carry_marks.failed" ] || return 0
  why="what the snapshot leaves out can't be moved: $carry_said"
  return 1
}

# carry_count MARKS: how many things are marked, on stdout. A dot a thing: names may have line breaks.
carry_count() {
  [ ! -d "$1" ] || find "$1" -type f -exec sh -c 'for mark; do printf .; done' sh {} + | wc -c | tr -d ' '
}
