# Whether this user may do what is asked with some paths, without root. Changes nothing.
# Arguments: read|replace|settle DEPLOYMENT PATH...; a PATH that is not absolute is under DEPLOYMENT
# stdout: a line a PATH, `yes` or `no`. A PATH that is not there is a `yes`: that it is missing is told elsewhere.
#   read     all that is in it can be read; a PATH that is a symlink is followed
#   replace  all that is in it is his, and so is the .relay-backup beside it; he may write to its directory, or make it.
#            For DEPLOYMENT itself, first: he may write to it, and what restores have left in it is his
#   settle   only the first line: what restores have left in DEPLOYMENT is his
# include remote/lib/prelude.sh
# include restore/lib/base.sh

# access_into PATH: whether the user may look into its nearest ancestor that is there, which goes to $near.
access_into() {
  nearest "$1"
  [ "$missing" -eq 0 ] || ! [ -d "$near" ] || [ -x "$near" ]
}

access_read() {
  access_into "$1" || return 1
  [ "$missing" -eq 0 ] || return 0
  # shellcheck disable=SC2016
  access_denied=$(find -H "$1" '(' -type d -o -type f ')' -exec sh -c '
    for one do
      if [ -r "$one" ] && { [ -f "$one" ] || [ -x "$one" ]; }; then continue; fi
      echo no
      exit
    done' relay-backup {} + 2>/dev/null | sed 1q)
  [ -z "$access_denied" ]
}

# access_own PATH [FIND-OPTION...]: all of it is ours.
access_own() {
  access_foreign=$(find "$@" ! -user "$access_me" -print 2>/dev/null) && [ -z "$access_foreign" ]
}

access_replace() {
  access_into "$1" || return 1
  parent "$1"
  if [ "$missing" -eq 0 ]; then access_own "$1" || return 1; else parent=$near; fi
  [ -w "$parent" ] && [ -x "$parent" ] || return 1
  ! exists "$parent/.relay-backup" || access_own "$parent/.relay-backup" -prune
}

access_settle() {
  ! exists "$1/.relay-backup" || access_own "$1/.relay-backup" -maxdepth 2
}

access_deployment() {
  access_into "$1" && [ -w "$near" ] && [ -x "$near" ] && access_settle "$1"
}

say_if() {
  if "$@"; then echo yes; else echo no; fi
}

access_how=$1 deployment=$2
shift 2
access_me=$(id -u)
case $access_how in
  replace) say_if access_deployment "$deployment" ;;
  settle) say_if access_settle "$deployment" ;;
esac
for access_one; do
  case $access_one in
    /*) ;;
    *) access_one=$deployment/$access_one ;;
  esac
  say_if "access_$access_how" "$access_one"
done
