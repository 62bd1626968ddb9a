# Undoing a restore from its journal: the old data back where it was, what was put there kept under failed-ID, the
# services that ran run again. It may be ended at any moment and begun anew.
# include restore/lib/journal.sh
# include restore/lib/move.sh
# include restore/lib/carry.sh
# include restore/lib/load.sh
# include restore/lib/late.sh
# include restore/lib/users.sh
# include services/lib/manager.sh

# any_unit FIELD VALUE: some unit has another value in this field of the journal.
any_unit() {
  any_n=0
  while [ "$any_n" -lt "$units" ]; do
    any_n=$((any_n + 1))
    eval "[ \"\$unit_${any_n}_$1\" = \"\$2\" ]" || return 0
  done
  return 1
}

# any_moved: something of any unit may have been moved.
any_moved() { any_unit phase ''; }

# any_replaced: something was there before, of any unit.
any_replaced() { any_unit inode -; }

# set_failed: moves what lies at the unit's target out of the way.
set_failed() {
  parent "$target"
  unused "$failed"
  why=$(mkdir -p -- "${unused%/*}" 2>&1) || return 1
  same_mount "$parent" "${unused%/*}" || {
    why="$target and $home are no longer on one file system"
    return 1
  }
  move "$target" "$unused" || return 1
  note "what was put at $target is now $unused"
  undo_tell_written "$unused"
}

# undo_note_written N: what was written to the new since it was in its place: counted before anything of it is moved.
undo_note_written() {
  [ "$placed" = yes ] && [ "$written" = 0 ] || return 0
  case $phase in in) ;; *) return 0 ;; esac
  late "$target" "$swap_time"
  [ "$late_count" = 0 ] || journal_add written "$1" "$late_count" || return 1
  written=$late_count
}

# undo_tell_written PLACE: notes how many files were written to the target after the restore, and that PLACE holds them.
undo_tell_written() {
  [ "$written" != 0 ] || return 0
  undo_files="$written files"
  [ "$written" != 1 ] || undo_files='1 file'
  note "written to $target after the restore, and kept in $1: $undo_files${late_names:+ ($late_names)}"
}

# undo_users: who still uses the targets, in $undo_using, as users has it.
undo_users() {
  set --
  undo_n=0
  while [ "$undo_n" -lt "$units" ]; do
    undo_n=$((undo_n + 1))
    eval "set -- \"\$@\" \"\$unit_${undo_n}_target\""
  done
  undo_using=
  [ $# -eq 0 ] || undo_using=$(users_settled 3 "$@")
}

undo_rename() {
  parent "$target"
  if [ "$old_inode" = - ]; then
    # Nothing was there. While the staged is still in its place, what is at the target is not ours. Where nothing is
    # staged, what is there now belongs to the new that lies beside it.
    if { [ "$staged" = - ] || { [ "$placed" = yes ] && ! exists "$staged"; }; } && exists "$target"; then
      journal_add undo-out "$1"
      set_failed || return 1
      sync_path "$parent"
    fi
    return 0
  fi
  # What mv may have copied in part is not the old: that is known by its inode.
  [ "$(inode "$target")" != "$old_inode" ] || return 0
  if ! exists "$aside"; then
    why="the old $target is not at $aside"
    return 1
  fi
  case $phase in
    carried | in | undo-carry)
      journal_add undo-carry "$1"
      undo_placed=-
      [ "$placed" = no ] || exists "$staged" || undo_placed=$target
      carry_back "$1" "$aside" "$staged" "$undo_placed" "$marks" || return 1
      ;;
  esac
  if exists "$target"; then
    journal_add undo-out "$1"
    set_failed || return 1
  fi
  journal_add undo-in "$1"
  same_mount "${aside%/*}" "$parent" || {
    why="$target and $home are no longer on one file system"
    return 1
  }
  move "$aside" "$target" || return 1
  sync_path "$parent"
}

undo_children() {
  if ! [ -d "$aside" ]; then
    # Before anything was moved, or after all was moved back.
    return 0
  fi
  same_mount "$target" "$aside" || {
    why="$target and $aside are not on one file system"
    return 1
  }
  case $phase in
    carried | in | undo-carry)
      journal_add undo-carry "$1" || return 1
      undo_placed=-
      [ "$placed" = no ] || undo_placed=$target
      carry_back "$1" "$aside" "$staged" "$undo_placed" "$marks" || return 1
      ;;
  esac
  case $phase in
    out | undo-in) ;;
    *)
      # All of the old is out, so whatever is at the target now is new. The journal must say that it leaves: a later
      # attempt could otherwise take the old data, when that is back, for the new.
      journal_add undo-out "$1" || return 1
      unused "$failed"
      undo_failed=$unused
      why=$(mkdir -p -- "$undo_failed" 2>&1) || return 1
      move_children "$target" "$undo_failed" "$undo_failed.same" || return 1
      rmdir -- "$undo_failed" 2>/dev/null || note "what was put in $target is now in $undo_failed"
      undo_tell_written "$undo_failed"
      ;;
  esac
  journal_add undo-in "$1" || return 1
  unused "$failed"
  move_children "$aside" "$target" "$unused" || return 1
  set_attributes "$target" "$old_owner" "$old_mode" "$parent_time.old" || return 1
  sync_path "$target"
  rmdir -- "$aside" 2>/dev/null
}

# undo_unit N: fails with $why when the old can't be put back.
undo_unit() {
  unit_load "$1"
  case $phase in
    '' | undone) ;;
    *)
      late_names=''
      undo_note_written "$1" || return 1
      "undo_$kind" "$1" || return 1
      late_mark "$undo_time"
      parent "$target"
      [ ! -e "$parent_time" ] || touch -r "$parent_time" -- "$parent" 2>/dev/null
      if [ "$old_inode" = - ] && ! exists "$target"; then
        note "$target is not there, as it was not before"
      else
        note "$target is as it was"
      fi
      journal_add undone "$1"
      ;;
  esac
  # The directories that the restore has made above the target go. rmdir leaves one that has something in it.
  parent "$target"
  while [ "$made" -gt 0 ]; do
    rmdir -- "$parent" 2>/dev/null || break
    parent "$parent"
    made=$((made - 1))
  done
  return 0
}

# Stops whatever came up or was started since: it would write to data that is about to be moved.
undo_stop() {
  undo_names=
  ours
  # shellcheck disable=SC2086
  if ! svc_look $ours; then
    note "what runs is not known: $why"
    return 0
  fi
  undo_names=$svc_up
  [ -n "$undo_names" ] || return 0
  # shellcheck disable=SC2086
  if svc_stop $undo_names; then
    note "stopped: $undo_names"
  else
    note "could not be stopped: $why"
  fi
}

# undo_serve: of the services that ran before, only those with data run: names in them are about to be changed.
undo_serve() {
  ours
  # shellcheck disable=SC2086
  svc_look $service_data $service_rest || return 1
  # One a line: here they are parted by spaces.
  # shellcheck disable=SC2086
  undo_up=$(echo $svc_up)
  undo_names=
  for undo_one in $service_rest; do
    case " $undo_up " in *" $undo_one "*) undo_names="$undo_names $undo_one" ;; esac
  done
  # shellcheck disable=SC2086
  [ -z "$undo_names" ] || svc_stop $undo_names || return 1
  [ -z "$undo_names" ] || note "stopped:$undo_names"
  undo_names=
  for undo_one in $service_data; do
    case " $undo_up " in *" $undo_one "*) continue ;; esac
    case " $ours " in *" $undo_one "*) undo_names="$undo_names $undo_one" ;; esac
  done
  # shellcheck disable=SC2086
  [ -z "$undo_names" ] || svc_start $undo_names
}

# Starts the services that ran before and do not run.
undo_start() {
  undo_names=
  for undo_one in $service_before; do
    # A command that can't be asked is started: it was stopped, or at least told to.
    if [ "$manager" = command ] && [ "$manager_3" = - ] || [ -z "$(svc_whole "$undo_one")" ]; then
      undo_names="$undo_names $undo_one"
    fi
  done
  [ -n "$undo_names" ] || return 0
  # shellcheck disable=SC2086
  if ! svc_start $undo_names; then
    why="the old data is back, but the services did not start: $why"
    return 1
  fi
  note "started:$undo_names"
}

undo_stuck() {
  plain "$why"
  journal_add stuck "$plain"
  say failed rollback "$plain"
  return 1
}

# drop_abandoned: what a restore that stopped nothing has left, its journal last.
drop_abandoned() {
  remove_staging
  remove_tree "${journal%/*}"
  drop_home "${journal%/restore-*}"
}

# undo_restore: undoes what the journal says. Says `ok rollback HOW`, HOW being abandoned or rolled-back, or
# `failed rollback REASON`, and then fails.
undo_restore() {
  case $state in
    none) return 0 ;;
    closed)
      # Whoever closed it may have died before it cleared away what was unpacked.
      case $how in
        abandoned) drop_abandoned ;;
        rolled-back) remove_staging ;;
      esac
      return 0
      ;;
    begun)
      if ! drop_loaded; then
        undo_stuck
        return 1
      fi
      journal_add closed abandoned
      drop_abandoned
      say ok rollback abandoned
      return 0
      ;;
  esac
  # Frees the space that was kept for the journal on a full disk.
  rm -f -- "${journal%/*}/reserve"
  [ "$state" = undoing ] || journal_add undoing
  # Containers that the start made are of the files that go.
  containers_made=
  if any_switched; then
    undo_serve && undo_loads || {
      undo_stuck
      return 1
    }
  fi
  # The server that it was loaded into may be of what goes, and not run behind that.
  if [ -n "$migration" ] && [ "$loads" != 0 ] && [ "$unloaded" = no ]; then
    undo_serve && drop_loaded && journal_add unloaded || {
      undo_stuck
      return 1
    }
  fi
  # A migration starts services on a server where nothing of theirs may have been moved.
  if any_moved || [ -n "$service_launched" ]; then
    undo_stop
    # Nobody could be asked here what to do about those who use it, and the old data must come back.
    undo_users
    [ -z "$undo_using" ] ||
      note "still used, so what is written there goes on in what is set aside: $(printf '%s\n' "$undo_using" | users_names)"
    undo_n=$units
    while [ "$undo_n" -gt 0 ]; do
      undo_unit "$undo_n" || {
        undo_stuck
        return 1
      }
      undo_n=$((undo_n - 1))
    done
  fi
  svc_stop_begun && undo_start && drop_loaded && svc_settle || {
    undo_stuck
    return 1
  }
  svc_unmake
  if ! journal_add closed rolled-back; then
    undo_stuck
    return 1
  fi
  remove_staging
  say ok rollback rolled-back
}
