# What restores have left in a deployment's .relay-backup directories, and removing it. Nothing that a journal still
# needs is removed.
# Arguments: DEPLOYMENT status
#            DEPLOYMENT late [ID...]         what was written to it since it was set aside, or to what is set aside now
#                                            while that was in its place
#            DEPLOYMENT discard [ID...]      what was set aside by closed restores: these, or all; the journal of a
#                                            migration stays while no later one follows it. stdin: lines `secret`
#                                            (restore/scripts/lib/load.sh)
#            DEPLOYMENT sweep [HOME...]      what was unpacked for restores that have no open journal, here and in
#                                            these other .relay-backup directories; and private directories of dead
#                                            processes (remote/scripts/lib/private.sh)
# stdout, status: `lock PID` (- when nobody holds it); a restore's `journal ID SECONDS STATE HOW` (HOW - while it is
#   open), then its lines `unit`, `services`, `service`, `service-secret`, `note`, `running`, `migration`, `discarded` and `stuck` as they are in the
#   journal, with the ID as the first field behind the verb; `kept ID WHAT KIB PATH`, WHAT being rollback or failed, PATH encoded.
# stdout, late: `late ID COUNT PATH NAMES`: so many files, where they lie (encoded), and the first of them by name.
# stdout, the others: `removed PATH` (encoded), `left REASON`.
# Exit status: 0; 5 when a restore runs.
# include remote/lib/prelude.sh
# include remote/lib/private.sh
# include restore/lib/journal.sh
# include restore/lib/late.sh
# include restore/lib/load.sh

journals_home() {
  for journals_what in rollback failed; do
    ! exists "$1/$journals_what-$id" ||
      say kept "$id" "$journals_what" "$(du -sk -- "$1/$journals_what-$id" 2>/dev/null | cut -f 1)" \
        "$(encode "$1/$journals_what-$id")"
  done
}

# journals_loads: what the loads of the journal that is loaded have set aside, by the journal: no server is asked.
journals_loads() {
  [ "$loads_discarded" = no ] || return 0
  journals_n=0
  while [ "$journals_n" -lt "$loads" ]; do
    journals_n=$((journals_n + 1))
    load_load "$journals_n"
    case $state:$how:$load_phase in
      closed:done:in) [ "$load_had" = no ] || say kept "$id" rollback 0 "$(encode "$load_old")" ;;
      closed:rolled-back:undone) [ "$load_placed" = no ] || say kept "$id" failed 0 "$(encode "$load_failed")" ;;
    esac
  done
}

# journals_drop_loads: removes that for good.
journals_drop_loads() {
  journals_n=0
  while [ "$journals_n" -lt "$loads" ]; do
    journals_n=$((journals_n + 1))
    load_load "$journals_n"
    for journals_name in "$load_old" "$load_failed"; do
      if ! load_look "$journals_n" "$journals_name"; then
        plain "$why"
        say left "$plain"
        return 1
      fi
      [ "$load_there" = yes ] || continue
      if load_call "$journals_n" drop "$journals_name"; then
        say removed "$(encode "$journals_name")"
      else
        plain "$why"
        say left "$plain"
        return 1
      fi
    done
  done
}

journals_status() {
  lock_read
  say lock "${lock_holder:--}"
  for journals_one in "$own_home"/restore-*/journal; do
    journal_load "$journals_one" || continue
    say journal "$id" "${epoch:-0}" "$state" "${how:--}"
    ID=$id awk -F "$tab" '$NF == "." && ($1 == "unit" || $1 == "load" || $1 == "note" || $1 == "running" || $1 == "migration" || $1 == "discarded" || $1 == "stuck" || $1 == "services" || $1 == "service" || $1 == "service-secret") {
      line = $1 FS ENVIRON["ID"]
      for (n = 2; n < NF; n++) line = line FS $n
      print line
    }' "$journals_one"
    journals_loads
    journals_home "$own_home"
    homes | while IFS= read -r journals_one; do journals_home "$journals_one"; done
  done
}

# journals_asked [ID...]: whether the loaded journal is one of these. Without an ID every journal is.
journals_asked() {
  [ $# -gt 0 ] || return 0
  for journals_id; do
    [ "$journals_id" != "$id" ] || return 0
  done
  return 1
}

# journals_late [ID...]
journals_late() {
  for journals_one in "$own_home"/restore-*/journal; do
    journal_load "$journals_one" && journals_asked "$@" || continue
    journals_n=0
    while [ "$journals_n" -lt "$units" ]; do
      journals_n=$((journals_n + 1))
      unit_load "$journals_n"
      late "$aside" "$swap_time"
      journals_tell "$aside"
      for journals_failed in "$failed" "$failed".*; do
        exists "$journals_failed" || continue
        late "$journals_failed" "$undo_time"
        late_count=$((late_count + written))
        journals_tell "$journals_failed"
      done
    done
  done
}

journals_tell() {
  [ "$late_count" != 0 ] || return 0
  plain "$late_names"
  say late "$id" "$late_count" "$(encode "$1")" "$plain"
}

journals_remove() {
  exists "$1" || return 0
  if remove_tree "$1"; then
    say removed "$(encode "$1")"
  else
    plain "$why"
    say left "$plain"
    return 1
  fi
}

# journals_last: when the last migration of this server began that was done or is not settled, in $journals_last.
journals_last() {
  journals_last=0
  for journals_one in "$own_home"/restore-*/journal; do
    journal_load "$journals_one" && journal_is_cutover || continue
    [ "${epoch:-0}" -le "$journals_last" ] || journals_last=$epoch
  done
}

# journals_remove_aside: what the loaded restore has set aside or left unpacked, but its journal.
journals_remove_aside() {
  journals_drop_loads && homes | {
    journals_left=0
    while IFS= read -r journals_elsewhere; do
      for journals_what in rollback failed restore; do
        journals_remove "$journals_elsewhere/$journals_what-$id" || journals_left=1
      done
      drop_home "$journals_elsewhere"
    done
    exit "$journals_left"
  } && journals_remove "$own_home/rollback-$id" && journals_remove "$own_home/failed-$id"
}

# journals_has_aside: there is something to go back to.
journals_has_aside() {
  [ -z "$(homes | while IFS= read -r journals_elsewhere; do
    ! exists "$journals_elsewhere/rollback-$id" || echo yes
  done)" ] || return 0
  exists "$own_home/rollback-$id" || [ -n "$(journals_loads)" ]
}

# journals_discard [ID...]
journals_discard() {
  journals_last
  for journals_one in "$own_home"/restore-*/journal; do
    journal_load "$journals_one" && [ "$state" = closed ] || continue
    journals_asked "$@" || continue
    if journal_is_cutover && [ "${epoch:-0}" -ge "$journals_last" ]; then
      # Its journal stays. Nothing else says which of the two servers serves, and which services ran on the other one.
      [ "$migration" = to ] && journals_has_aside || continue
      journal_add discarded && journals_remove_aside && { [ "$loads" = 0 ] || journal_add loads-discarded; }
      continue
    fi
    # The journal last: without it nobody knows the other places.
    journals_remove_aside && journals_remove "$own_home/restore-$id"
  done
}

journals_sweep() {
  for journals_home; do
    case $journals_home in
      */.relay-backup) ;;
      *) continue ;;
    esac
    [ -d "$journals_home" ] && [ ! -L "$journals_home" ] || continue
    for journals_one in "$journals_home"/restore-*; do
      exists "$journals_one" || continue
      journals_id=${journals_one##*/restore-}
      if ! journal_load "$own_home/restore-$journals_id/journal"; then
        journals_remove "$journals_one"
      elif [ "$state" = closed ]; then
        if [ "$journals_home" = "$own_home" ]; then remove_staging; else journals_remove "$journals_one"; fi
      fi
    done
    drop_home "$journals_home"
  done
}

cd /
deployment=$1 verb_asked=$2
shift 2
own_home=$deployment/.relay-backup
lock=$own_home/lock
journal_reset
case $verb_asked in
  status)
    journals_status
    exit 0
    ;;
  late)
    journals_late "$@"
    exit 0
    ;;
esac
[ -d "$own_home" ] && [ ! -L "$own_home" ] || exit 0
if ! lock_take; then
  say left "process $lock_holder of a restore runs"
  exit 5
fi
trap lock_drop EXIT
trap 'exit 1' HUP INT TERM PIPE
case $verb_asked in
  discard)
    while IFS= read -r journals_secret; do take_secret "$journals_secret"; done
    journals_discard "$@"
    ;;
  sweep)
    private_sweep "$own_home"
    journals_sweep "$own_home" "$@"
    ;;
esac
lock_drop
drop_home "$own_home"
