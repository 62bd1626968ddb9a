# A lease: what a script changed on the server is undone when its client goes, however it goes.
#
# A leased script
#     # include remote/scripts/lib/prelude.sh
#     # include remote/scripts/lib/lease.sh
#     undo() { … }                 # puts back what was changed; safe to call when nothing was changed yet
#     work() { … }                 # changes something, says so on stdout, then waits:
#                                  #     while lease_next; do case $line in … esac; done
#     lease_run work undo "$@"     # the script's last line; calls work with the arguments
#
# Arguments: the first one is the silence in seconds after which the client counts as dead (the client's side
# adds it). This file takes it off: the script has the others as $1, $2, …
#
# stdin, line by line: `beat` (every 5 s, never shown to the script), `release` (the client is done: lease_next
# answers no), anything else is for the script; the first lines may be secrets. A line has at most 4000 bytes.
# The client keeps stdin open and beating until the script has exited.
#
# undo runs exactly once: when work returns or exits, on end of file or silence on stdin, on HUP, INT, TERM, and
# on PIPE (stdout is gone). In undo all these signals are ignored, also by the commands it starts, and a write
# to a stdout that is gone merely fails. Exit status: work's own (0 after a release), 91 when the lease was lost.
#
# For work to use (nowhere else, and not in a subshell of work):
#   lease_next        waits for the next line and puts it in $line; fails after the release
#   lease_sleep N     sleeps N seconds, less up to one
# Both leave work by themselves when the lease is over. Work notices the end only there, or when a command that
# it runs has ended: so a wait is a loop around lease_sleep, never a long command.
# Inside work, stdin is /dev/null; fd 4 is taken. work and undo run in one subshell: variables set in work are
# there in undo. A subshell or background job of work has no traps and undoes nothing.
#
# How: sh has no read with a timeout, a trap waits for the command in the foreground, and bash loses track of
# its children when signals interrupt `wait` over and over (seen with 5.2). So all that happens comes in
# through one pipe, as lines in their order: the reader passes on what is on stdin and says when it ended, the
# ticker adds the seconds, and work, on the pipe's other side, counts those since the last beat. When sshd's
# child is killed no signal comes at all, only the end of file.

lease_limit=$1
shift

lease_read_stdin() {
  # Without a trap the shell would report "Terminated" on stderr.
  trap 'exit 0' TERM
  while sleep 1; do echo tick; done </dev/null &
  # In a subshell $$ is the parent's pid; the first line tells work whom to end.
  echo "$(exec sh -c 'echo $PPID') $!"
  while IFS= read -r line; do
    case $line in
      beat) echo beat ;;
      # A builtin: secrets among the lines do not show up in the list of processes.
      *) printf '=%s\n' "$line" ;;
    esac
  done
  echo eof
}

# Takes the next event off the pipe. Lines for the script go to the queue, one more newline behind each.
lease_event() {
  IFS= read -r lease_got <&4 || exit 91
  case $lease_got in
    beat) lease_silent=0 ;;
    tick)
      lease_silent=$((lease_silent + 1))
      [ "$lease_silent" -le "$lease_limit" ] || exit 91
      ;;
    eof) exit 91 ;;
    =*)
      lease_queue=$lease_queue${lease_got#=}'
'
      ;;
  esac
}

lease_next() {
  while [ -z "$lease_queue" ]; do lease_event; done
  line=${lease_queue%%'
'*}
  lease_queue=${lease_queue#*'
'}
  [ "$line" != release ]
}

lease_sleep() {
  lease_left=$1
  while [ "$lease_left" -gt 0 ]; do
    lease_event
    [ "$lease_got" != tick ] || lease_left=$((lease_left - 1))
  done
}

# lease_finish STATUS
lease_finish() {
  [ -z "$lease_finished" ] || return 0
  lease_finished=yes
  trap '' HUP INT TERM PIPE
  trap - EXIT
  "$lease_undo"
  # The ticker's last sleep, a second at most, is left to end by itself; it holds nothing open.
  [ -z "$lease_helpers" ] || kill $lease_helpers 2>/dev/null
  exit "$1"
}

lease_work() {
  lease_finished=
  lease_helpers=
  lease_queue=
  lease_silent=0
  trap 'lease_finish 91' HUP INT TERM PIPE
  trap 'lease_finish $?' EXIT
  exec 4<&0 </dev/null
  IFS= read -r lease_helpers <&4
  "$@"
  lease_finish $?
}

# lease_run WORK UNDO [ARGUMENT…]
lease_run() {
  lease_main=$1
  lease_undo=$2
  shift 2
  lease_read_stdin 2>/dev/null | lease_work "$lease_main" "$@"
  exit $?
}
