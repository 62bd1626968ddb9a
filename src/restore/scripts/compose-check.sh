# Whether Compose here can read a project's files, as they are or before they are put in place, and what it would make
# of them. Changes nothing.
# Arguments: PROJECT NAMES SENT PAIRS [TARGET STAGED]... ARGUMENT...
#   NAMES     services, parted by commas; empty: none
#   SENT      sizes in bytes, parted by commas, of files that come on stdin one behind the other; empty: none. They lie in a
#             private directory until this ends. `sent:/0` stands for the first of them, in all that follows.
#   PAIRS     how many pairs of paths follow that may be read by Compose unseen, such as an env_file: those count that
#             one of its files mentions by name
#   ARGUMENT  of Compose itself, that leads to the files, where they are staged
# stdout: `tool NAME`; `other` when what is staged of a pair is not what is at its target; `hash NAME HASH` of all that
#   Compose would make a service from; `said TEXT` (encoded), what Compose says where it can't read the files.
# Exit status: 0; 3 when it can't read them; 4 when there is no Compose.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include services/lib/manager.sh

manager=compose manager_1=$1
check_names=$2 check_sent=$3 check_pairs=$4
shift 4
check_place=
if [ -n "$check_sent" ]; then
  trap 'exit 1' HUP INT TERM PIPE
  trap '[ -z "$check_place" ] || rm -rf -- "$check_place"' EXIT
  check_place=$(mktemp -d) && cat >"$check_place/all" || exit 1
  check_at=1 check_number=0
  for check_size in $(printf '%s' "$check_sent" | tr , ' '); do
    tail -c "+$check_at" -- "$check_place/all" | head -c "$check_size" >"$check_place/$check_number" || exit 1
    check_at=$((check_at + check_size)) check_number=$((check_number + 1))
  done
  [ "$(wc -c <"$check_place/all")" -eq $((check_at - 1)) ] || exit 1
  for check_one; do
    shift
    case $check_one in sent:/*) check_one=$check_place/${check_one#sent:/} ;; esac
    set -- "$@" "$check_one"
  done
fi
svc_prepare
compose_tool || exit 4
say tool "$compose_tool"

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

while [ "$check_pairs" -gt 0 ]; do
  check_pairs=$((check_pairs - 1))
  (svc_job 60 diff -r -q -- "$1" "$2") >/dev/null 2>&1 || ! check_mentioned "$1" "$@" || say other
  shift 2
done

# check_hash ARGUMENT...: of the services $check_asked; fails when Compose knows one of them not, or can't read its files.
# Services of a profile are told when they are named.
check_hash() {
  # shellcheck disable=SC2086
  check_answer=$( (svc_job 60 sh -c "$as_login" relay-backup sh -c "$compose_there" "$compose_stand" $compose_tool "$@" config --hash "$check_asked") 2>/dev/null) || return 1
  printf '%s\n' "$check_answer" | sed -n "s/^\([^ ]*\) \([0-9a-f]\{16,\}\)\$/hash$tab\1$tab\2/p"
}

compose_stand "$@"
check_asked=$check_names
[ -z "$check_asked" ] || ! check_hash "$@" || exit 0
# shellcheck disable=SC2086
check_said=$( (svc_job 60 sh -c "$as_login" relay-backup sh -c "$compose_there" "$compose_stand" $compose_tool "$@" config --quiet) 2>&1) || {
  [ -z "$check_place" ] || check_said=$(printf '%s\n' "$check_said" | sed "s|$check_place|sent:|g")
  tell said "$check_said"
  exit 3
}
for check_asked in $(printf '%s' "$check_names" | tr , ' '); do check_hash "$@"; done
exit 0
