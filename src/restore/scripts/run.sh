# Puts a restore in place, under a lease: until `commit`, its end puts back what was there. The two sides of a
# migration are such restores: FROM's has no units and only stops services (docs/decisions/0007-migration-protocol.md).
# Arguments: DEPLOYMENT ID
# stdin: first, each in one line or in pieces (`part PIECE`, then `part-end`), the lines `unit`, `load`, `swaps`, `carry`, `carry-name`, `services`, `service`, `service-secret` and `migration` of
# restore/scripts/lib/journal.sh and `secret` of restore/scripts/lib/secrets.sh, without an answer; then commands. Each is answered by `ok COMMAND ...` or `failed COMMAND REASON`, with lines
# `note TEXT` and `user N PID NAME` before it:
#   ready           finds out what the start of the services will need, which takes seconds; changes nothing of theirs
#   begin           opens the journal
#   stop-writers    stops those that run and are not data services
#   stop            stops the services that run; `user` lines name processes that still use unit N
#   swap            the old aside, the new in its place
#   load            takes the lines `load` that were sent behind `begin`, of a migration: its data services run, and names in
#                   them are free for what will be loaded
#   switch          what was loaded into a server that runs: renames the old aside, and the new into its place. Its data
#                   services run: they were started again, or never stopped
#   make            in a migration: makes the missing containers of all services that will start, and starts none
#   start-data, start-rest
#                   starts the data services, or the others, that ran before; a migration starts all of them
#   check-running   fails when a service that was started does not run, or has died in between
#   check-stopped   fails when a service that was stopped runs again
#   keep            in a migration: from here on the script's end does not undo it
#   commit          the new data stays, FROM stays stopped; ends the script
#   rollback        ends the script like any other end before the commit: a restore that has not stopped anything
#                   leaves nothing, any other is undone by restore/scripts/lib/undo.sh
# The first line says that the deployment is locked for this script: `ok lock`, or `failed lock REASON`.
# Exit status: 0; 3 when undoing is stuck; 5 when the lock is another's; 91 when the lease was lost and all is
# undone.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include remote/lib/lock.sh
# include restore/lib/undo.sh
# include restore/lib/swap.sh
# include restore/lib/users.sh

run_reply() {
  run_command=$1
  shift
  if "$@"; then
    say ok "$run_command"
  else
    plain "$why"
    say failed "$run_command" "$plain"
  fi
}

# run_load: what was declared, as a journal that nobody has opened.
run_load() {
  {
    printf 'journal\t1\t%s\t%s\t.\n' "$id" "$(date +%s)"
    printf '%s' "$declared"
  } >"$journal.new" 2>/dev/null && journal_load "$journal.new" && [ -z "$refused" ] && svc_known
}

run_ready() {
  # With an open journal all of it is in memory, and must stay there.
  [ "$state" = none ] || return 0
  mkdir -p -- "${journal%/*}"
  ! run_load || svc_ready "$deployment/.relay-backup"
  rm -f -- "$run_journal.new"
  journal_reset
  id=$run_id journal=$run_journal
}

run_begin() {
  [ "$state" = none ] || {
    why='it has begun already'
    return 1
  }
  mkdir -p -- "${journal%/*}"
  if exists "$journal"; then
    why="there is a restore $id already"
    return 1
  fi
  {
    printf 'journal\t1\t%s\t%s\t.\n' "$id" "$(date +%s)"
    printf '%s' "$declared"
    printf 'begun\t.\n'
  } >"$journal.new" || {
    why="$journal.new can't be written"
    add_full "$journal.new"
    return 1
  }
  journal_load "$journal.new" && [ -z "$refused" ] && svc_known && svc_unlocked && check_units && check_loads || {
    [ -z "$refused" ] || why="what was asked for is not understood: $refused"
    svc_known || why="no service manager is called $manager"
    rm -f -- "$run_journal.new"
    journal_reset
    id=$run_id journal=$run_journal
    return 1
  }
  journal=$run_journal declared=
  # Given back when the disk is full and something is to be undone.
  dd if=/dev/zero of="${journal%/*}/reserve" bs=4096 count=16 2>/dev/null
  hand_over "${journal%/*}" "$journal.new"
  sync_path "$journal.new"
  mv -- "$journal.new" "$journal" && sync_path "${journal%/*}" && return 0
  why="$journal can't be written"
  add_full "$journal"
  return 1
}

# run_look_before: notes what runs, and that it is going to be stopped.
run_look_before() {
  # shellcheck disable=SC2086
  svc_look $service_data $service_rest || return 1
  for stop_one in $svc_up; do
    journal_add running "$stop_one" || return 1
  done
  journal_add stopping
}

# run_stop_these NAME...: stops them, and sees that they are.
run_stop_these() {
  svc_stop "$@" && run_check_stopped "$@"
}

# run_check_stopped NAME...: a line of sh without a status can't be asked.
run_check_stopped() {
  [ "$manager" != command ] || [ "$manager_3" != - ] || return 0
  svc_look "$@" || return 1
  [ -n "$svc_up" ] || return 0
  why="still running: $svc_up"
  return 1
}

run_stop_writers() {
  [ "$state" = begun ] || {
    why='it has not begun, or has stopped something already'
    return 1
  }
  run_look_before || return 1
  set --
  for stop_one in $service_before; do
    case " $service_rest " in *" $stop_one "*) set -- "$@" "$stop_one" ;; esac
  done
  run_stop_these "$@" && journal_add writers-stopped || return 1
  for stop_one; do note "stopped: $stop_one"; done
}

run_stop() {
  case $state in
    begun) run_look_before || return 1 ;;
    writers-stopped) ;;
    *)
      why='it has not begun, or has stopped already'
      return 1
      ;;
  esac
  # shellcheck disable=SC2086
  run_stop_these $service_before && journal_add stopped || return 1
  for stop_one in $service_before; do note "stopped: $stop_one"; done
  set --
  stop_n=0
  while [ "$stop_n" -lt "$units" ]; do
    stop_n=$((stop_n + 1))
    eval "set -- \"\$@\" \"\$unit_${stop_n}_target\""
  done
  [ $# -eq 0 ] || run_tell_users "$@"
}

# run_tell_users PATH...: who uses them still.
run_tell_users() {
  users_settled 3 "$@" | while IFS= read -r stop_one; do say user "$stop_one"; done
}

run_check_all_stopped() {
  [ "$state" = stopped ] || {
    why='the services are not stopped'
    return 1
  }
  # shellcheck disable=SC2086
  run_check_stopped $service_before
}

# run_load_late: nobody could say before whether a server runs that the deployment brings with it.
run_load_late() {
  [ -n "$migration" ] && [ "$state:$loads" = started-data:0 ] || {
    why='the data services do not run, or it is known already what is loaded'
    return 1
  }
  while IFS= read -r late_line; do
    [ -z "$late_line" ] || journal_take "$late_line"
  done <<LATE_LOADS
$declared
LATE_LOADS
  if [ -n "$refused" ]; then
    why="what was asked for is not understood: $refused"
  elif [ "$loads" != 0 ] && check_loads; then
    if printf '%s' "$declared" 2>/dev/null >>"$journal" && sync_path "$journal"; then return 0; fi
    journal_cut=yes
    why="the journal $journal can't be written"
    add_full "$journal"
  fi
  # What is called so is not ours, so undoing must not remove it.
  loads=0
  return 1
}

# run_switch: what has nothing to swap has never stopped its data services.
run_switch() {
  case $state:$units in
    started-data:*) ;;
    writers-stopped:0) ;;
    *)
      why='the data services do not run, or it is switched already'
      return 1
      ;;
  esac
  switch_loads
}

run_keep() {
  case $migration:$state in
    to:started-rest) journal_add kept ;;
    *)
      why='nothing serves yet that could be kept'
      return 1
      ;;
  esac
}

run_swap() {
  [ "$state" = stopped ] || {
    why='the services are not stopped, or it is swapped already'
    return 1
  }
  # shellcheck disable=SC2086
  run_check_stopped $service_before && swap_units && run_note_logs
}

# run_note_logs: how long the logs are that a migration puts in place (files whose names end as the client says): what
# comes behind that in them was accepted here.
run_note_logs() {
  [ "$migration" = to ] || return 0
  logs_n=0
  while [ "$logs_n" -lt "$units" ]; do
    logs_n=$((logs_n + 1))
    unit_load "$logs_n"
    for logs_suffix in $run_logs; do
      find "$target" -type f -name "*$logs_suffix" 2>/dev/null | while IFS= read -r logs_one; do
        tell "$logs_n" "$(stat -c %s -- "$logs_one")" "${logs_one#"$target"/}"
      done
    done
  done >"${journal%/*}/log-sizes" 2>/dev/null
  # Whatever it could not note, nothing depends on it.
  return 0
}

run_make() {
  case $migration:$state in
    to:swapped) ;;
    *)
      why='this is not the time to make them'
      return 1
      ;;
  esac
  # shellcheck disable=SC2086
  svc_make $service_data $service_rest
}

# run_start data|rest
run_start() {
  case $state:$1 in
    swapped:data | started-data:rest | switched:rest) ;;
    *)
      why='this is not the time to start them'
      return 1
      ;;
  esac
  start_names=
  eval "start_all=\$service_$1"
  for start_one in $start_all; do
    # Those that were stopped before stay stopped, except in a migration.
    case " $service_before " in
      *" $start_one "*) ;;
      *) [ -n "$migration" ] || continue ;;
    esac
    start_names="$start_names $start_one"
  done
  journal_add starting "$1" || return 1
  # shellcheck disable=SC2086
  svc_start $start_names || return 1
  run_started="$run_started$start_names"
  journal_add started "$1" || return 1
  for start_one in $start_names; do
    case " $svc_healthy " in
      *" $start_one "*) note "started: $start_one, and it passes its own check" ;;
      *) note "started: $start_one" ;;
    esac
  done
}

run_check() {
  # shellcheck disable=SC2086
  check_fit=$(svc_fit $run_started)
  check_unfit=
  for check_one in $run_started; do
    case $newline$check_fit$newline in
      *"$newline$check_one$newline"*) ;;
      *) check_unfit="$check_unfit $check_one" ;;
    esac
  done
  [ -n "$check_unfit" ] || return 0
  why="not running any more:$check_unfit"
  return 1
}

run_commit() {
  case $migration:$state in
    # Restart policies stay what they are: it must not come up by itself.
    from:stopped)
      journal_add closed 'done' || return 1
      remove_staging
      return
      ;;
    from:*)
      why='the services are not stopped'
      return 1
      ;;
    *:swapped | *:started-* | *:switched | *:kept) ;;
    *)
      why='nothing is in place yet'
      return 1
      ;;
  esac
  svc_settle || note "$why"
  journal_add closed 'done' || return 1
  remove_staging
}

work() {
  cd /
  deployment=$1 id=$2 run_id=$2
  if ! valid_id "$id"; then
    say failed lock 'the id is none'
    return 2
  fi
  why=
  make_parents "$deployment/.relay-backup" && make_home "$deployment/.relay-backup" || {
    plain "$why"
    say failed lock "$plain"
    return 1
  }
  hand_over "$deployment/.relay-backup"
  lock=$deployment/.relay-backup/lock
  if ! lock_take; then
    lock=
    say failed lock "process $lock_holder of another restore holds it"
    return 5
  fi
  run_journal=$deployment/.relay-backup/restore-$id/journal
  journal=$run_journal
  svc_prepare
  say ok lock
  while lease_next; do
    why=
    case $line in
      ready) run_reply ready run_ready ;;
      begin) run_reply begin run_begin ;;
      stop-writers) run_reply stop-writers run_stop_writers ;;
      stop) run_reply stop run_stop ;;
      swap) run_reply swap run_swap ;;
      load) run_reply load run_load_late ;;
      switch) run_reply switch run_switch ;;
      make) run_reply make run_make ;;
      start-data) run_reply start-data run_start data ;;
      start-rest) run_reply start-rest run_start rest ;;
      check-running) run_reply check-running run_check ;;
      check-stopped) run_reply check-stopped run_check_all_stopped ;;
      keep) run_reply keep run_keep ;;
      commit)
        run_reply commit run_commit
        [ "$state" != closed ] || return 0
        ;;
      rollback)
        run_undo_kept=yes
        return 0
        ;;
      log"$tab"*) run_logs="$run_logs ${line#*"$tab"}" ;;
      secret"$tab"*) take_secret "$line" ;;
      part"$tab"*) declared=$declared${line#*"$tab"} ;;
      part-end) declared=$declared$tab.$newline ;;
      *) declared=$declared$line$tab.$newline ;;
    esac
  done
}

# Whatever ends the script before the commit comes here.
undo() {
  [ -n "$lock" ] || return 0
  svc_end_job
  if [ "$state" = none ]; then
    remove_staging_of_nothing
    say ok rollback abandoned
  elif [ "$state" = kept ] && [ "$run_undo_kept" = no ]; then
    :
  else
    undo_restore || run_stuck=yes
  fi
  lock_drop
  drop_home "$deployment/.relay-backup"
  [ "$run_stuck" = no ] || exit 3
}

# Nothing has begun: what was unpacked by now is in directories that only the client knows, and in this one.
remove_staging_of_nothing() {
  rm -f -- "$run_journal.new"
  exists "$run_journal" || remove_tree "${run_journal%/*}"
}

lock='' declared='' run_logs='' run_started='' run_stuck=no run_undo_kept=no run_id='' deployment='' why=''
journal_reset
lease_run work undo "$@"
