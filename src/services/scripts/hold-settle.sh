# Settles holds (hold.sh) whose script is gone: killed, or ended by a reboot. A leased script (remote/scripts/lib/lease.sh); whoever
# calls has the deployment's lock.
# Arguments (behind the lease's): DEPLOYMENT SECONDS
#   SECONDS: how long it may take a script that still runs, and whose client is gone, to end by itself
# stdout, for each: `settled KIND NAME...`, `failed REASON` or `busy PID`, before it `ill TEXT` about those that are
# not well; at the end `end`
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include services/lib/hold.sh

# settle_one JOURNAL
settle_one() {
  settle_journal=$1
  journal_load "$settle_journal" || {
    # The hold ended before it had begun.
    journal=$settle_journal
    hold_drop
    return 0
  }
  while mark_alive "$hold_mark"; do
    if [ "$settle_patience" -le 0 ]; then
      say busy "$mark_pid"
      return 0
    fi
    settle_patience=$((settle_patience - 1))
    lease_sleep 1
    # The hold has ended in order.
    exists "$settle_journal" || return 0
    journal_load "$settle_journal" || return 0
  done
  hold_failed='' hold_ill='' settle_names=
  case $state in
    begun | closed) ;;
    *)
      if [ -n "$refused" ] || ! svc_known; then
        say failed "$settle_journal is not understood"
        return 0
      fi
      settle_held=yes
      hold_resume
      settle_names=$service_before
      ;;
  esac
  settle_held=no
  [ -z "$hold_ill" ] || say ill "$hold_ill"
  if hold_close; then
    [ -z "$settle_names" ] || say settled "$hold_kind" "$settle_names"
  else
    plain "$hold_failed"
    say failed "$plain"
  fi
}

work() {
  cd /
  settle_patience=$2
  svc_prepare
  if ! lock_place "$1"; then
    plain "$why"
    say failed "$plain"
    return 0
  fi
  for settle_directory in "$lock_home"/hold-*"$lock_end"; do
    settle_id=${settle_directory#"$lock_home"/hold-}
    # The names of other deployments that share the place have one part more.
    case ${settle_id%"$lock_end"} in *-*) continue ;; esac
    [ ! -d "$settle_directory" ] || settle_one "$settle_directory/journal"
  done
  drop_home "$lock_home"
  say end
}

# What it has begun to start again goes on without a client.
undo() {
  [ "$settle_held" = yes ] || return 0
  svc_finish_job
  hold_resume
  hold_close
}

settle_held=no hold_failed='' why=''
journal_reset
lease_run work undo "$@"
