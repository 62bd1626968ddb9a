# Stops or pauses services while their data is read. A leased script (remote/scripts/lib/lease.sh): its end, however it comes, starts
# again what it has stopped, and unpauses what it has paused.
# Arguments (behind the lease's): DEPLOYMENT ID
#   DEPLOYMENT absolute; whoever calls has its lock. ID is used once: letters and digits
# stdin: first the lines `services` and `service` of restore/scripts/lib/journal.sh; then commands, each answered by
# `ok COMMAND ...` or `failed COMMAND REASON`, with lines `note TEXT` before it:
#   stop, pause     stops or pauses those that run: `ok stop NAME...`, none when none ran
#   resume          they run again, and are well: `ok resume`, with lines `ill TEXT` about those that are not;
#                   `failed` when one does not run: then the journal stays, and the next command tries again
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include services/lib/quiesce.sh

quiesce_reply() {
  if "$@"; then
    say ok "$line"
  else
    plain "$why"
    say failed "$line" "$plain"
  fi
}

# quiesce_begin stop|pause
quiesce_begin() {
  [ "$state" = none ] && [ -z "$quiesce_directory" ] && valid_id "$id" && mark_own || {
    why='it has begun already, or can not'
    return 1
  }
  lock_place "$deployment" || return 1
  quiesce_directory=$lock_home/hold-$id$lock_end
  why=$(mkdir -m 700 -- "$quiesce_directory" 2>&1) || {
    quiesce_directory=
    return 1
  }
  {
    printf 'journal\t1\t%s\t%s\t.\n' "$id" "$(date +%s)"
    printf 'hold\t%s\t%s\t.\n' "$1" "$mark"
    printf '%s' "$declared"
    printf 'begun\t.\n'
  } 2>/dev/null >"$quiesce_directory/journal.new" &&
    dd if=/dev/zero of="$quiesce_directory/reserve" bs=4096 count=16 2>/dev/null &&
    sync_path "$quiesce_directory/journal.new" &&
    mv -- "$quiesce_directory/journal.new" "$quiesce_directory/journal" &&
    sync_path "$quiesce_directory" || {
    why="$quiesce_directory can't be written to"
    add_full "$quiesce_directory/journal"
    return 1
  }
  journal_load "$quiesce_directory/journal" && [ -z "$refused" ] && svc_known || {
    why="what was asked for is not understood: $refused"
    return 1
  }
  # shellcheck disable=SC2086
  quiesce_take $service_data $service_rest
}

quiesce_end() {
  [ "$state" = stopped ] || {
    why='nothing was stopped or paused'
    return 1
  }
  journal_add starting
  quiesce_resume
  [ -z "$quiesce_ill" ] || say ill "$quiesce_ill"
  why=$quiesce_failed
  quiesce_close
}

work() {
  cd /
  deployment=$1 id=$2
  svc_prepare
  while lease_next; do
    why=
    case $line in
      stop | pause)
        if quiesce_begin "$line"; then
          say ok "$line" "$service_before"
        else
          plain "$why"
          say failed "$line" "$plain"
        fi
        ;;
      resume) quiesce_reply quiesce_end ;;
      *) declared=$declared$line$tab.$newline ;;
    esac
  done
}

undo() {
  [ -n "$quiesce_directory" ] || return 0
  # A stop or pause that is under way would come after what undoes it.
  svc_finish_job
  case $state in
    none | begun)
      journal=$quiesce_directory/journal
      quiesce_drop
      ;;
    closed) ;;
    *)
      [ -n "$stuck" ] || quiesce_resume
      [ -n "$stuck" ] || quiesce_close || say note "$quiesce_failed"
      ;;
  esac
}

declared='' quiesce_directory='' deployment='' why=''
journal_reset
lease_run work undo "$@"
