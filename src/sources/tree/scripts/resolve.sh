# What each path of a files source is on this server.
# Arguments: DEPLOYMENT PATH...; a PATH that is not absolute is under DEPLOYMENT.
# stdout: records (remote/scripts/lib/talk.sh): `uid` and ours, then one for each path, its values encoded: `path`, then
#   type      missing, denied, dangling, directory, file, fifo, socket, device
#   link      where the path points to when it is a symlink itself, else empty
#   real      the path with every symlink resolved
#   readable  yes or no
#   owner     uid of the owner (of what it points to), or of the directory that keeps us out
#   mode      as ls shows it
#   near      for missing and denied: the nearest directory that exists, else empty
#   names     up to ten names in it (our own directory aside), each a field
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

add() {
  to_field "$1"
  record=$record$tab$field
}

# resolved COMMAND...: its output in $resolved, with line breaks at the end of a name kept.
resolved() {
  resolved=$("$@" && echo x) || resolved=
  resolved=${resolved%x}
  resolved=${resolved%"$newline"}
}

owner_and_mode() {
  # Only the columns in front of the name are read.
  set -f
  # shellcheck disable=SC2046
  set -- $(ls -lnd$2 -- "$1" 2>/dev/null | sed 1q)
  set +f
  add "${3-}"
  add "${1-}"
}

parent_of() {
  case $1 in
    */*) parent=${1%/*} ;;
    *) parent=. ;;
  esac
  [ -n "$parent" ] || parent=/
}

names_in() {
  names_left=10
  for name in "$1"/* "$1"/.[!.]*; do
    [ -e "$name" ] || [ -L "$name" ] || continue
    [ "${name##*/}" != .relay-backup ] || continue
    [ "$names_left" -gt 0 ] || break
    names_left=$((names_left - 1))
    add "${name##*/}"
  done
}

absent() {
  parent_of "$1"
  near=$parent
  while [ ! -e "$near" ]; do
    parent_of "$near"
    near=$parent
  done
  if [ -d "$near" ] && [ ! -x "$near" ]; then add denied; else add missing; fi
  add ''
  add ''
  add no
  owner_and_mode "$near" ''
  add "$near"
  [ ! -d "$near" ] || names_in "$near"
}

describe() {
  if [ -L "$1" ] && [ ! -e "$1" ]; then
    type=dangling
  elif [ ! -e "$1" ]; then
    absent "$1"
    return
  elif [ -d "$1" ]; then
    type=directory
  elif [ -f "$1" ]; then
    type=file
  elif [ -p "$1" ]; then
    type=fifo
  elif [ -S "$1" ]; then
    type=socket
  else
    type=device
  fi
  add "$type"
  link=
  if [ -L "$1" ]; then
    resolved readlink -- "$1"
    link=$resolved
  fi
  add "$link"
  real=
  if [ "$type" != dangling ]; then
    resolved readlink -f -- "$1"
    real=$resolved
  fi
  add "$real"
  # Only what is opened needs to be readable.
  readable=yes
  case $type in
    directory) { [ -r "$1" ] && [ -x "$1" ]; } || readable=no ;;
    file) [ -r "$1" ] || readable=no ;;
  esac
  add "$readable"
  if [ "$type" = dangling ]; then owner_and_mode "$1" ''; else owner_and_mode "$1" L; fi
  add ''
}

deployment=$1
shift
tell uid "$(id -u)"
for path in "$@"; do
  record=path
  case $path in
    /*) describe "$path" ;;
    *) describe "$deployment/$path" ;;
  esac
  printf '%s\n' "$record"
done
say end
