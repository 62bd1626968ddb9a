# Services, whatever manages them. A manager is a file services/scripts/lib/MANAGER.sh with
#     svc_MANAGER_running NAME...   prints those that run, or would come up by themselves; one a line. Fails when that
#                                   can't be found out, and prints the reason instead
#     svc_MANAGER_stop NAME...      stops them; does not fail for one that is stopped already
#     svc_MANAGER_start NAME...     starts them
#     svc_MANAGER_fit NAME...       prints those that run and have run all the time since their start
#     svc_MANAGER_settle            puts back what was changed to keep them stopped; may be called again
# They run their tools by svc_do (its output becomes the reason of a failure; in _stop and _start only), svc_quiet
# (only its status counts) or svc_ask (its stdout counts). $manager_1 and so on are the manager's own values from the `services` line.
# include services/lib/none.sh
# include services/lib/command.sh
# include services/lib/systemd.sh
# include services/lib/docker.sh
# include services/lib/compose.sh

svc_known() {
  case $manager in
    none | command | systemd | docker | compose) ;;
    *) return 1 ;;
  esac
}

# svc_unlocked: every secret that the services need was sent; fails with $why when one was not.
svc_unlocked() {
  for svc_one in $service_secrets; do secret_of "services:$svc_one" || return 1; done
}

svc_running() { [ $# -eq 0 ] || "svc_${manager}_running" "$@"; }
svc_stop() { [ $# -eq 0 ] || "svc_${manager}_stop" "$@"; }
svc_start() { [ $# -eq 0 ] || "svc_${manager}_start" "$@"; }
svc_fit() { [ $# -eq 0 ] || "svc_${manager}_fit" "$@"; }
svc_settle() { "svc_${manager}_settle"; }

# svc_ready HOME: asks ahead for what a start needs, where that takes long, and clears away what is in its way below HOME.
svc_ready() {
  [ "$manager" != compose ] || { compose_sweep "$1" && compose_tool; }
}

# svc_make NAME...: makes ahead what a start would have to make, of those that there is nothing of yet; starts nothing.
svc_make() {
  case $manager in
    docker | compose) [ $# -eq 0 ] || containers_make_missing "$@" ;;
  esac
}

# svc_unmake: what svc_make has made and nothing has started goes again.
svc_unmake() {
  case $manager in
    docker | compose) containers_unmake ;;
  esac
}

# svc_look NAME...: those of them that run, in $svc_up; fails with $why when that can't be found out.
svc_look() {
  svc_up=$(svc_running "$@") && return 0
  why=$svc_up
  return 1
}

# svc_whole NAME: prints it when all of it runs that ran before: a service may be several containers, and a unit that
# is being stopped does not count.
svc_whole() {
  case $manager in
    command) svc_running "$1" ;;
    *) svc_fit "$1" ;;
  esac
}

# svc_stop_begun: a stop that nobody waited for to the end comes to it: what is asked to start before, stays as it is.
# systemd gives up a stop for a start by itself.
svc_stop_begun() {
  case $manager in
    docker | compose) containers_stop_begun ;;
  esac
}

# svc_begin NAME: starts all of it that was stopped, and does not wait until it is well.
svc_begin() {
  case $manager in
    docker | compose) ! containers_known "$1" || containers_begin "$1" ;;
    *) svc_start "$1" ;;
  esac
}

# svc_await NAME: waits until it is well; fails with $why when it is not.
svc_await() {
  case $manager in
    docker | compose) containers_wait "$1" ;;
    *)
      why="$1 does not run"
      [ -n "$(svc_fit "$1")" ]
      ;;
  esac
}

svc_pid=''
svc_session='' svc_timeout='' svc_signals=''
# In work, a command that takes long is waited for with lease_sleep; undo sets this to no.
svc_leased=yes
# Seconds that svc_do gives a command.
svc_limit=900
containers_asks=no
# Those whose own checks were seen to pass since they were started.
svc_healthy=
# A script without a journal knows none.
service_secrets=

# svc_prepare: finds out which of three tools the server has. svc_do and its kin run every command through them.
# setsid: the command can be ended together with all that it has started. timeout: a command that hangs does not keep the
# old data away for ever. env: this shell ignores signals, and a daemon that the command starts must not ignore them, too.
svc_prepare() {
  if setsid true 2>/dev/null; then svc_session=setsid; fi
  if timeout -k 10 5 true 2>/dev/null; then svc_timeout='timeout -k 10'; fi
  if env --default-signal=HUP,INT,QUIT,PIPE,TERM true 2>/dev/null; then
    svc_signals='env --default-signal=HUP,INT,QUIT,PIPE,TERM'
  fi
}

# svc_job SECONDS COMMAND...: becomes the command. A daemon must not keep our channels open; 4 is the lease's.
svc_job() {
  trap - HUP INT TERM PIPE
  svc_seconds=$1
  shift
  [ -z "$service_secrets" ] || command_environment
  # shellcheck disable=SC2086
  exec $svc_session ${svc_timeout:+$svc_timeout $svc_seconds} $svc_signals "$@" </dev/null 3>&- 4>&-
}

# svc_do COMMAND...: runs it; fails with $why. Only in work and undo themselves, not in a subshell of them.
svc_do() {
  svc_log=${journal%/*}/services.log
  rm -f -- "$svc_log.status"
  printf '' >"$svc_log"
  # A file says that it has ended: a child that has ended and was not waited for looks alive. A full disk may keep the
  # status out of that file.
  # shellcheck disable=SC2016
  svc_job "$svc_limit" sh -c 'status=$0; "$@"; got=$?; echo "$got" >"$status.new"; mv -- "$status.new" "$status"; exit "$got"' \
    "$svc_log.status" "$@" >>"$svc_log" 2>&1 &
  svc_pid=$!
  svc_polls=0
  while [ "$svc_leased" = yes ] && ! [ -e "$svc_log.status" ] && kill -0 "$svc_pid" 2>/dev/null; do
    svc_polls=$((svc_polls + 1))
    # Most take a moment, and nobody serves meanwhile.
    if [ "$svc_polls" -le 5 ] && sleep 0.02 2>/dev/null; then continue; fi
    if [ "$svc_polls" -gt 25 ] || ! sleep 0.1 2>/dev/null; then lease_sleep 1; fi
    # Ended by its time limit: nobody writes the status.
    [ "$svc_polls" -le $((svc_limit + 35)) ] || break
  done
  wait "$svc_pid"
  svc_status=$?
  svc_pid=
  [ ! -s "$svc_log.status" ] || svc_status=$(cat "$svc_log.status")
  [ "$svc_status" != 0 ] || return 0
  # Hidden before it is cut: a piece of a secret is one, too.
  command_hide "$(tail -c 8000 -- "$svc_log" 2>/dev/null)"
  plain "$(printf '%s' "$command_text" | tail -c 400)"
  why="exit status $svc_status${plain:+: $plain}"
  add_full "$svc_log"
  return 1
}

# svc_quiet COMMAND...: runs it for its status.
svc_quiet() {
  (svc_job 60 "$@") >/dev/null 2>&1
}

# svc_ask COMMAND...: runs it for its stdout.
svc_ask() {
  (svc_job 60 "$@") 2>/dev/null
}

# svc_finish_job: lets a command that still runs come to its end, if that takes no longer than a stop may.
svc_finish_job() {
  svc_leased=no
  svc_patience=150
  while [ -n "$svc_pid" ] && ! [ -e "$svc_log.status" ] && svc_signal 0 && [ "$svc_patience" -gt 0 ]; do
    sleep 1
    svc_patience=$((svc_patience - 1))
  done
  svc_end_job
}

# svc_end_job: ends a command that still runs, with all that it started.
svc_end_job() {
  svc_leased=no
  [ -n "$svc_pid" ] || return 0
  svc_signal TERM
  svc_patience=10
  while ! [ -e "$svc_log.status" ] && svc_signal 0 && [ "$svc_patience" -gt 0 ]; do
    sleep 1
    svc_patience=$((svc_patience - 1))
  done
  svc_signal KILL
  wait "$svc_pid" 2>/dev/null
  svc_pid=
}

svc_signal() {
  kill -s "$1" -- "${svc_session:+-}$svc_pid" 2>/dev/null
}
