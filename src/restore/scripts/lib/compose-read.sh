# What Compose here says of a project's files, as they are or before they are put in place. Changes nothing.
# A script that includes this has check_ask COMMAND...: runs it, puts what it says into $check_said, and has its status.
# include remote/lib/talk.sh
# include services/lib/manager.sh

# check_compose NAMES PAIRS [TARGET STAGED]... ARGUMENT...
#   NAMES     services, parted by commas; empty: none
#   PAIRS     how many pairs of paths follow that may be read by Compose unseen, such as an env_file: those count that
#             one of its files mentions by name
#   ARGUMENT  of Compose itself, that leads to the files, where they lie
# stdout: `tool NAME`; `other` when what is staged of a pair is not what is at its target; `hash NAME HASH` of all that
#   Compose would make a service from; `said TEXT` (encoded), what Compose says where it can't read the files.
# Status: 0; 3 when it can't read them; 4 when there is no Compose.
check_compose() {
  check_names=$1 check_pairs=$2
  shift 2
  svc_prepare
  compose_tool || return 4
  say tool "$compose_tool"
  while [ "$check_pairs" -gt 0 ]; do
    check_pairs=$((check_pairs - 1))
    check_ask diff -r -q -- "$1" "$2" || ! check_mentioned "$1" "$@" || say other
    shift 2
  done
  compose_stand "$@"
  check_asked=$check_names
  [ -z "$check_asked" ] || ! check_hash "$@" || return 0
  check_config --quiet "$@" || {
    tell said "$check_said"
    return 3
  }
  for check_asked in $(printf '%s' "$check_names" | tr , ' '); do check_hash "$@"; done
  return 0
}

# check_mentioned PATH ARGUMENT...: one of the files that the arguments name has the path's last name in it.
check_mentioned() {
  check_one=${1##*/} check_flag=no check_files=no
  shift
  for check_argument; do
    if [ "$check_flag" = yes ]; then
      check_files=yes
      ! grep -q -F -e "$check_one" -- "$check_argument" 2>/dev/null || return 0
    fi
    check_flag=no
    [ "$check_argument" != --file ] || check_flag=yes
  done
  [ "$check_files" = no ]
}

# check_hash ARGUMENT...: of the services $check_asked; fails when Compose knows one of them not, or can't read its files.
# Services of a profile are told when they are named.
check_hash() {
  check_config "--hash $check_asked" "$@" || return 1
  printf '%s\n' "$check_said" | sed -n "s/^\([^ ]*\) \([0-9a-f]\{16,\}\)\$/hash$tab\1$tab\2/p"
}

# check_config FLAGS ARGUMENT...: its `config`, with these flags.
check_config() {
  check_flags=$1
  shift
  # shellcheck disable=SC2086
  check_ask sh -c "$as_login" relay-backup sh -c "$compose_there" "$compose_stand" $compose_tool "$@" config $check_flags
}
