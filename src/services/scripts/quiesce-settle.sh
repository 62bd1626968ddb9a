# Starts again the services whose script (quiesce.sh) is gone: killed, or ended by a reboot. A leased script (remote/scripts/lib/lease.sh); whoever
# calls has the deployment's lock.
# Arguments (behind the lease's): DEPLOYMENT SECONDS
#   SECONDS: how long it may take a script that still runs, and whose client is gone, to end by itself
# stdout, for each: `settled KIND NAME...`, `failed REASON` or `busy PID`, before it `ill TEXT` about those that are
# not well; at the end `end`
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include services/lib/quiesce.sh

# settle_one JOURNAL
settle_one() {
  settle_journal=$1
  journal_load "$settle_journal" || {
    # Its script ended before it had begun.
    journal=$settle_journal
    quiesce_drop
    return 0
  }
  while mark_alive "$quiesce_mark"; do
    if [ "$settle_patience" -le 0 ]; then
      say busy "$mark_pid"
      return 0
    fi
    settle_patience=$((settle_patience - 1))
    lease_sleep 1
    # Its script has ended in order.
    exists "$settle_journal" || return 0
    journal_load "$settle_journal" || return 0
  done
  quiesce_failed='' quiesce_ill='' settle_names=
  case $state in
    begun | closed) ;;
    *)
      if [ -n "$refused" ] || ! svc_known; then
        say failed "$settle_journal is not understood"
        return 0
      fi
      settle_resumes=yes
      quiesce_resume
      settle_names=$service_before
      ;;
  esac
  settle_resumes=no
  [ -z "$quiesce_ill" ] || say ill "$quiesce_ill"
  if quiesce_close; then
    [ -z "$settle_names" ] || say settled "$quiesce_kind" "$settle_names"
  else
    plain "$quiesce_failed"
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
  [ "$settle_resumes" = yes ] || return 0
  svc_finish_job
  quiesce_resume
  quiesce_close
}

settle_resumes=no quiesce_failed='' why=''
journal_reset
lease_run work undo "$@"
