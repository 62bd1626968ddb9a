# Settles a restore whose script is gone, by its journal, under a lease.
# Arguments: DEPLOYMENT ID rollback|finish [COUNT]
#   rollback  undoes the restore, or goes on with undoing it, also when the lease is lost. A restore that was done is
#             undone, too
#   finish    the new data is in place: starts what ran before, and keeps it
# stdin: COUNT lines `secret` (restore/scripts/lib/secrets.sh).
# stdout: lines `note TEXT`, then `ok rollback HOW`, `ok finish`, or `failed COMMAND REASON`.
# Exit status: 0; 1 when nothing was changed; 3 when undoing is stuck; 5 when the lock is another's.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include remote/lib/lock.sh
# include restore/lib/undo.sh

settle_fail() {
  plain "$1"
  say failed "$command" "$plain"
}

# A later restore of the same path would be undone half, and behind a later migration another server may serve.
settle_newer() {
  settle_targets=$(settle_list | sort)
  settle_id=$id settle_epoch=$epoch settle_cutover=no
  ! journal_is_cutover || settle_cutover=yes
  for settle_journal in "$deployment"/.relay-backup/restore-*/journal; do
    journal_load "$settle_journal" || continue
    [ "$id" != "$settle_id" ] && [ "$epoch" -gt "$settle_epoch" ] || continue
    if [ "$settle_cutover" = yes ] && journal_is_cutover; then
      why="migration $id came later: undo that one first"
      return 0
    fi
    [ "$state:$how" = closed:done ] || continue
    settle_both=$(printf '%s\n' "$settle_targets" "$(settle_list)" | sort | uniq -d)
    why="restore $id replaced the same data later: undo that one first"
    [ -z "$settle_both" ] || return 0
  done
  return 1
}

settle_list() {
  settle_n=0
  while [ "$settle_n" -lt "$units" ]; do
    settle_n=$((settle_n + 1))
    eval "encode \"\$unit_${settle_n}_target\""
    echo
  done | sort -u
  settle_n=0
  while [ "$settle_n" -lt "$loads" ]; do
    settle_n=$((settle_n + 1))
    load_load "$settle_n"
    # The first arguments of a loader say which server it is, and who asks it.
    printf 'load %s %s\n' "$(encode "$load_target")" "$(printf '%s' "$load_args" | cut -f 1-5)"
  done | sort -u
}

settle_reopen() {
  if [ "$discarded" = yes ]; then
    settle_fail 'what it had set aside was removed for good'
    return 1
  fi
  if settle_newer; then
    settle_fail "$why"
    return 1
  fi
  journal_load "$journal_of"
  # A secret that is wrong by now must be told before anything changes.
  look_loads || {
    settle_fail "$why"
    return 1
  }
  # shellcheck disable=SC2086
  svc_look $service_data $service_rest || {
    settle_fail "$why"
    return 1
  }
  settle_first=$svc_up
  journal_add reopened || {
    settle_fail "$why"
    return 1
  }
  [ -z "$migration" ] || return 0
  for settle_one in $settle_first; do journal_add running "$settle_one"; done
}

# settle_unused: nobody but the services uses what is going to be moved; fails with $why, and then the services that had
# to stop for that look run again. Where nothing is to be undone, nothing is stopped. A migration is not kept from being undone by that: one of its servers must serve. Nor is
# a merge, which nobody had to stop for.
settle_unused() {
  case $state in closed | undoing) return 0 ;; esac
  [ -z "$migration" ] && any_moved || return 0
  [ "$manager" != none ] || any_replaced || return 0
  undo_stop
  settle_stopped=$undo_names
  undo_users
  [ -n "$undo_using" ] || return 0
  settle_why="$(printf '%s\n' "$undo_using" | users_names) still uses what would be moved aside; stop it first"
  # These are the containers that ran, so nothing is made anew.
  settle_how=$manager_3
  [ "$manager" != compose ] || manager_3=start
  # shellcheck disable=SC2086
  svc_start $settle_stopped && svc_settle || settle_why="$settle_why; and the services did not start again: $why"
  manager_3=$settle_how
  [ "$state" != reopened ] || journal_add closed 'done'
  why=$settle_why
  return 1
}

settle_finish() {
  case $state in
    swapped | starting-* | started-* | switched | kept) ;;
    closed)
      [ "$how" = 'done' ] && return 0
      why="it is $how already"
      return 1
      ;;
    *)
      why='its new data is not in place'
      return 1
      ;;
  esac
  ours
  for settle_one in $ours; do
    [ -n "$(svc_whole "$settle_one")" ] || svc_start "$settle_one" || return 1
    [ -n "$(svc_fit "$settle_one")" ] || {
      why="$settle_one does not run"
      return 1
    }
  done
  svc_settle || note "$why"
  journal_add closed 'done' && remove_staging
}

work() {
  cd /
  deployment=$1 command=$3 settle_secrets=${4-0}
  while [ "$settle_secrets" -gt 0 ] && lease_next; do
    take_secret "$line"
    settle_secrets=$((settle_secrets - 1))
  done
  journal_of=$deployment/.relay-backup/restore-$2/journal
  why=
  if ! valid_id "$2" || ! journal_load "$journal_of" || [ -n "$refused" ] || ! svc_known; then
    settle_fail "there is no journal of a restore $2"
    return 1
  fi
  lock=$deployment/.relay-backup/lock
  if ! lock_take; then
    lock=
    settle_fail "process $lock_holder of a restore still runs"
    return 5
  fi
  # The restore may have gone on until the lock was ours.
  journal_load "$journal_of"
  svc_prepare
  case $state:$how in
    closed:rolled-back | closed:abandoned) ;;
    *)
      svc_unlocked || {
        settle_fail "$why"
        return 1
      }
      ;;
  esac
  case $command in
    finish)
      if settle_finish; then
        say ok finish
      else
        settle_fail "$why"
        return 1
      fi
      ;;
    rollback)
      case $state:$how in
        closed:done) settle_reopen || return 1 ;;
        closed:*) say ok rollback "$how" ;;
      esac
      settle_undo=yes
      if ! settle_unused; then
        settle_undo=no
        settle_fail "$why"
        return 1
      fi
      ;;
  esac
}

# The undoing itself is here because nothing ends it any more.
undo() {
  [ -n "$lock" ] || return 0
  svc_end_job
  settle_stuck=no
  [ "$settle_undo" = no ] || undo_restore || settle_stuck=yes
  lock_drop
  drop_home "$deployment/.relay-backup"
  [ "$settle_stuck" = no ] || exit 3
}

lock='' settle_undo=no
journal_reset
lease_run work undo "$@"
