# A lease: what a script changed on the server is undone when its client goes, however it goes.
#
# A leased script
#     # include lib/prelude.sh
#     # include lib/lease.sh
#     undo() { … }                 # puts back what was changed; safe to call when nothing was changed yet
#     work() { … }                 # changes something, says so on stdout, then waits:
#                                  #     while lease_next; do case $line in … esac; done
#     lease_run work undo "$@"     # the script's last line; calls work with the arguments
#
# Arguments: the first one is the silence in seconds after which the client counts as dead (the client's side
# adds it). This file takes it off: the script has the others as $1, $2, …
#
# stdin, line by line: `beat` (every 5 s, never shown to the script), `release` (the client is done: lease_next
# answers no), anything else is for the script, the first lines may be secrets. The client keeps stdin open and
# beating until the script has exited.
#
# undo runs exactly once: when work returns or exits, on end of file or silence on stdin, on HUP, INT, TERM, and
# on PIPE (stdout is gone). In undo all these signals are ignored, also by the commands it starts, and a write
# to a stdout that is gone merely fails. Exit status: work's own (0 after a release), 91 when the lease was lost.
#
# For work to use:
#   lease_next        waits for the next line and puts it in $line; fails after the release
#   lease_sleep N     sleeps; the end of the lease interrupts it at once
#   lease_do CMD …    runs a command (stdin is /dev/null) and returns its status; the end of the lease ends it
#                     by TERM. A command that is run plainly delays undo until it has ended.
# Inside work, stdin is /dev/null; fds 3 and 4 are taken. work and undo run in one subshell: variables set in
# work are there in undo. A plain subshell or background job of work has no traps and undoes nothing.
#
# How: sh has no read with a timeout, and a trap waits for the foreground command. So there are
#   the script's own shell ($$)   waits, gets the signals, counts ticks since the last beat, tells work to end
#   reader                        the only one who reads stdin: beats become USR1, end of file TERM, the other
#                                 lines go on to work through a pipe
#   work                          the right side of that pipe
#   ticker                        sends USR2 now and then
# When sshd's child is killed no signal comes at all, only the end of file.

lease_limit=$1
shift

lease_next() {
  IFS= read -r line <&4 || exit 91
  [ "$line" != release ]
}

lease_sleep() {
  lease_do sleep "$1"
  # Without the shell that watches for us nobody would tell us of the end.
  kill -0 $$ 2>/dev/null || exit 91
}

lease_do() {
  "$@" </dev/null &
  lease_child=$!
  wait "$lease_child"
  set -- $?
  lease_child=
  return "$1"
}

# lease_finish STATUS
lease_finish() {
  [ -z "$lease_finished" ] || return 0
  lease_finished=yes
  trap '' HUP INT TERM PIPE
  trap - EXIT
  if [ -n "$lease_child" ]; then
    kill -s TERM "$lease_child" 2>/dev/null
    wait "$lease_child" 2>/dev/null
    lease_child=
  fi
  "$lease_undo"
  [ -z "$lease_reader" ] || kill "$lease_reader" 2>/dev/null
  exit "$1"
}

lease_read_stdin() {
  # $$ would be the parent's; the first line tells work whom to end.
  sh -c 'echo $PPID'
  # Without a trap the shell would report "Terminated" on stderr.
  trap 'exit 0' TERM
  while IFS= read -r line <&3; do
    case $line in
      beat) kill -s USR1 $$ ;;
      # A builtin: secrets among the lines do not show up in the list of processes.
      *) printf '%s\n' "$line" ;;
    esac
  done
  kill -s TERM $$
}

lease_tick() {
  lease_sleeper=
  trap '[ -z "$lease_sleeper" ] || kill "$lease_sleeper"; exit 0' TERM
  while kill -s USR2 $$; do
    sleep "$1" &
    lease_sleeper=$!
    wait "$lease_sleeper"
  done
}

lease_work() {
  lease_child=
  lease_finished=
  lease_reader=
  trap 'lease_finish 91' HUP TERM PIPE
  trap 'lease_finish $?' EXIT
  exec 4<&0 </dev/null
  IFS= read -r lease_reader <&4
  "$@"
  lease_finish $?
}

# Tells work that it is over; before work exists, remembered for it.
lease_end() {
  lease_woken=yes
  lease_over=yes
  [ -z "$lease_worker" ] || kill -s TERM "$lease_worker" 2>/dev/null
}

# lease_run WORK UNDO [ARGUMENT…]
lease_run() {
  lease_main=$1
  lease_undo=$2
  shift 2
  lease_worker=
  lease_over=
  lease_silent=0
  lease_step=$((lease_limit / 4))
  [ "$lease_step" -ge 1 ] || lease_step=1
  [ "$lease_step" -le 5 ] || lease_step=5
  trap lease_end HUP INT TERM
  trap 'lease_woken=yes lease_silent=0' USR1
  trap 'lease_woken=yes lease_silent=$((lease_silent + lease_step))
    [ "$lease_silent" -le "$lease_limit" ] || lease_end' USR2
  # A background job gets /dev/null as its stdin.
  exec 3<&0 </dev/null
  lease_read_stdin 2>/dev/null | lease_work "$lease_main" "$@" &
  lease_worker=$!
  lease_tick "$lease_step" >/dev/null 2>&1 3<&- &
  lease_ticker=$!
  [ -z "$lease_over" ] || lease_end
  lease_status=127
  while :; do
    lease_woken=
    wait "$lease_worker"
    lease_got=$?
    # A signal ends the wait early, so it is done again. 127 then means that the status was had the first time.
    [ "$lease_got" -eq 127 ] || lease_status=$lease_got
    [ -n "$lease_woken" ] || break
  done
  trap '' HUP INT TERM USR1 USR2
  kill -s TERM "$lease_ticker" 2>/dev/null
  wait "$lease_ticker"
  exit "$lease_status"
}
