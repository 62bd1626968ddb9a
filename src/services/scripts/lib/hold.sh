# Services that are held still while their data is read: stopped or paused, and as they were again afterwards. Their
# journal (restore/scripts/lib/journal.sh) is hold-ID/journal beside the deployment's lock; when it is gone, nothing is held.
# include restore/lib/journal.sh
# include remote/lib/lock.sh
# include services/lib/manager.sh

# hold_take NAME...: stops or pauses those that run, the last one first. Fails with $why; hold_resume undoes.
hold_take() {
  svc_look "$@" || return 1
  for hold_one in $svc_up; do journal_add running "$hold_one" || return 1; done
  journal_add stopping || return 1
  # shellcheck disable=SC2086
  case $hold_kind in
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

# hold_resume: what was held runs again. $hold_failed says what does not, $hold_ill what runs and is not well; in
# undo nobody waits to see that.
hold_resume() {
  hold_failed='' hold_ill=''
  # Given back when the disk is full: what follows is in the journal, too.
  rm -f -- "${journal%/*}/reserve"
  if [ "$hold_kind" = pause ]; then
    containers_unpause || hold_failed=$why
    [ "$svc_leased" = yes ] || return 0
    containers_unwell
    hold_ill=$why
    return
  fi
  [ "$state" != stopping ] || svc_stop_begun || hold_failed=$why
  # shellcheck disable=SC2086
  hold_start $service_data
  # shellcheck disable=SC2086
  hold_start $service_rest
}

# hold_start NAME...: starts those of them that ran, all before it looks how they are.
hold_start() {
  hold_started=
  for hold_one; do
    case " $service_before " in *" $hold_one "*) ;; *) continue ;; esac
    if svc_begin "$hold_one"; then
      note "started: $hold_one"
      hold_started="$hold_started $hold_one"
    else
      hold_failed="${hold_failed:+$hold_failed; }$hold_one did not start: $why"
    fi
  done
  # From here on Docker itself starts what ends.
  svc_settle || hold_failed="${hold_failed:+$hold_failed; }$why"
  [ "$svc_leased" = yes ] || return 0
  for hold_one in $hold_started; do svc_await "$hold_one" || hold_ill="${hold_ill:+$hold_ill; }$why"; done
}

# hold_close: nothing is held any more. Fails, and leaves the journal open, when that is not so.
hold_close() {
  if [ -n "$hold_failed" ]; then
    plain "$hold_failed"
    journal_add stuck "$plain"
    return 1
  fi
  journal_add closed 'done'
  hold_drop
}

# hold_drop: removes the journal.
hold_drop() {
  remove_tree "${journal%/*}"
  drop_home "${journal%/hold-*}"
}
