# Holds services still while their data is read. A leased script (remote/scripts/lib/lease.sh): its end, however it comes, starts
# again what it has stopped, and unpauses what it has paused.
# Arguments (behind the lease's): DEPLOYMENT ID
#   DEPLOYMENT absolute; whoever calls has its lock. ID is used once: letters and digits
# stdin: first the lines `services` and `service` of restore/scripts/lib/journal.sh; then commands, each answered by
# `ok COMMAND ...` or `failed COMMAND REASON`, with lines `note TEXT` before it:
#   stop, pause     holds those still that run: `ok stop NAME...`, none when none ran
#   resume          they run again, and are well: `ok resume`, with lines `ill TEXT` about those that are not;
#                   `failed` when one does not run: then the journal stays, and the next command tries again
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include services/lib/hold.sh

hold_reply() {
  if "$@"; then
    say ok "$line"
  else
    plain "$why"
    say failed "$line" "$plain"
  fi
}

# hold_begin stop|pause
hold_begin() {
  [ "$state" = none ] && [ -z "$hold_directory" ] && valid_id "$id" && mark_own || {
    why='it has begun already, or can not'
    return 1
  }
  lock_place "$deployment" || return 1
  hold_directory=$lock_home/hold-$id$lock_end
  why=$(mkdir -m 700 -- "$hold_directory" 2>&1) || {
    hold_directory=
    return 1
  }
  {
    printf 'journal\t1\t%s\t%s\t.\n' "$id" "$(date +%s)"
    printf 'hold\t%s\t%s\t.\n' "$1" "$mark"
    printf '%s' "$declared"
    printf 'begun\t.\n'
  } 2>/dev/null >"$hold_directory/journal.new" &&
    dd if=/dev/zero of="$hold_directory/reserve" bs=4096 count=16 2>/dev/null &&
    sync_path "$hold_directory/journal.new" &&
    mv -- "$hold_directory/journal.new" "$hold_directory/journal" &&
    sync_path "$hold_directory" || {
    why="$hold_directory can't be written to"
    add_full "$hold_directory/journal"
    return 1
  }
  journal_load "$hold_directory/journal" && [ -z "$refused" ] && svc_known || {
    why="what was asked for is not understood: $refused"
    return 1
  }
  # shellcheck disable=SC2086
  hold_take $service_data $service_rest
}

hold_end() {
  [ "$state" = stopped ] || {
    why='nothing is held'
    return 1
  }
  journal_add starting
  hold_resume
  [ -z "$hold_ill" ] || say ill "$hold_ill"
  why=$hold_failed
  hold_close
}

work() {
  cd /
  deployment=$1 id=$2
  svc_prepare
  while lease_next; do
    why=
    case $line in
      stop | pause)
        if hold_begin "$line"; then
          say ok "$line" "$service_before"
        else
          plain "$why"
          say failed "$line" "$plain"
        fi
        ;;
      resume) hold_reply hold_end ;;
      *) declared=$declared$line$tab.$newline ;;
    esac
  done
}

undo() {
  [ -n "$hold_directory" ] || return 0
  # A stop or pause that is under way would come after what undoes it.
  svc_finish_job
  case $state in
    none | begun)
      journal=$hold_directory/journal
      hold_drop
      ;;
    closed) ;;
    *)
      [ -n "$stuck" ] || hold_resume
      [ -n "$stuck" ] || hold_close || say note "$hold_failed"
      ;;
  esac
}

declared='' hold_directory='' deployment='' why=''
journal_reset
lease_run work undo "$@"
