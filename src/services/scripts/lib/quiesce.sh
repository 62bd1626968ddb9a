# Services that are stopped or paused while their data is read, and that run as before
# afterwards. Their journal (restore/scripts/lib/journal.sh) is hold-ID/journal beside the deployment's lock; when it is
# gone, all services run.
# include restore/lib/journal.sh
# include remote/lib/lock.sh
# include services/lib/manager.sh

# quiesce_take NAME...: stops or pauses those that run, the last one first. Fails with $why; quiesce_resume undoes.
quiesce_take() {
  svc_look "$@" || return 1
  for quiesce_one in $svc_up; do journal_add running "$quiesce_one" || return 1; done
  journal_add stopping || return 1
  # shellcheck disable=SC2086
  case $quiesce_kind in
    pause) containers_pause $service_before || return 1 ;;
    *)
      svc_stop $service_before || return 1
      svc_look $service_before || return 1
      if [ -n "$svc_up" ]; then
        why="still running: $svc_up"
        return 1
      fi
      ;;
  esac
  journal_add stopped
}

# quiesce_resume: what was stopped or paused runs again. $quiesce_failed says what does not run, and $quiesce_ill what
# runs and is not well. In an undo nobody waits to see whether a service is well.
quiesce_resume() {
  quiesce_failed='' quiesce_ill=''
  # Given back when the disk is full: what follows is in the journal, too.
  rm -f -- "${journal%/*}/reserve"
  if [ "$quiesce_kind" = pause ]; then
    containers_unpause || quiesce_failed=$why
    [ "$svc_leased" = yes ] || return 0
    containers_unwell
    quiesce_ill=$why
    return
  fi
  [ "$state" != stopping ] || svc_stop_begun || quiesce_failed=$why
  # shellcheck disable=SC2086
  quiesce_start $service_data
  # shellcheck disable=SC2086
  quiesce_start $service_rest
}

# quiesce_start NAME...: starts those of them that ran, all before it looks how they are.
quiesce_start() {
  quiesce_started=
  for quiesce_one; do
    case " $service_before " in *" $quiesce_one "*) ;; *) continue ;; esac
    if svc_begin "$quiesce_one"; then
      note "started: $quiesce_one"
      quiesce_started="$quiesce_started $quiesce_one"
    else
      quiesce_failed="${quiesce_failed:+$quiesce_failed; }$quiesce_one did not start: $why"
    fi
  done
  # From here on Docker itself starts what ends.
  svc_settle || quiesce_failed="${quiesce_failed:+$quiesce_failed; }$why"
  [ "$svc_leased" = yes ] || return 0
  for quiesce_one in $quiesce_started; do svc_await "$quiesce_one" || quiesce_ill="${quiesce_ill:+$quiesce_ill; }$why"; done
}

# quiesce_close: all services run again. Fails, and leaves the journal open, when that is not so.
quiesce_close() {
  if [ -n "$quiesce_failed" ]; then
    plain "$quiesce_failed"
    journal_add stuck "$plain"
    return 1
  fi
  journal_add closed 'done'
  quiesce_drop
}

# quiesce_drop: removes the journal.
quiesce_drop() {
  remove_tree "${journal%/*}"
  drop_home "${journal%/hold-*}"
}
