# Data in a server that runs, put in place by its own renames: the old aside, the new in its place, and back. Who knows how
# is a script of the kind, the loader, which is in the journal: whoever undoes the restore has it.
#
# Arguments of a loader: VERB NAME TO ARGUMENT...
#   exists NAME -     exit status 0: it is there, 1: it is not
#   rename NAME TO    at once, or not at all; whoever is connected to it is parted from it. Nothing is at TO.
#   drop NAME -       removes it for good
#   switch NAME OLD   NAME becomes OLD, and the new becomes NAME, all of it at once or none of it
#   back NAME FAILED  NAME becomes FAILED, and the old becomes NAME, likewise
#                     Both may say on stdout what they did.
# Only a loader that was declared by a line `swaps` is asked for the last two; any other renames twice.
# Any other status is a failure, with its reason on stdout or stderr. The secret of its source, where it takes one, is a
# line on its stdin. The journal only names that source: whoever undoes the restore sends the secret again.
# include restore/lib/journal.sh
# include restore/lib/secrets.sh

# load_unlock N: the secret of its loader is in $load_secret, empty where it takes none; fails with $why when nobody has
# sent it.
load_unlock() {
  eval "load_source=\$load_${1}_source"
  load_secret=
  [ "$load_source" != - ] || return 0
  secret_of "$load_source" && load_secret=$secret
}

# load_load N: $load_target, $load_new, $load_old, $load_failed, $load_phase, $load_had (yes: something was at the target)
# and $load_placed (yes: the new was on its way to it).
load_load() {
  eval "load_target=\$load_${1}_target load_new=\$load_${1}_new load_old=\$load_${1}_old \
    load_failed=\$load_${1}_failed load_phase=\$load_${1}_phase load_had=\$load_${1}_had \
    load_placed=\$load_${1}_placed load_swaps=\$load_${1}_swaps"
}

# load_call N VERB NAME [TO]: what the loader says is in $why.
load_call() {
  load_unlock "$1" || return 2
  eval "load_script=\$load_${1}_script load_args=\$load_${1}_args"
  shift
  set -- "$1" "$2" "${3--}"
  # Spaces stand in them as they are.
  set -f
  IFS=$tab
  for load_one in $load_args; do
    unset IFS
    decode "$load_one"
    set -- "$@" "$decoded"
  done
  unset IFS
  set +f
  load_limit=
  if timeout 9 true 2>/dev/null; then load_limit='timeout 600'; fi
  # printf is a builtin: no list of processes shows the secret.
  why=$({ [ -z "$load_secret" ] || printf '%s\n' "$load_secret"; } 2>/dev/null |
    $load_limit sh -c "$load_script" loader "$@" 2>&1 3>&- 4>&-)
}

# load_look N NAME: whether it is there, in $load_there; fails with $why when nobody can tell.
load_look() {
  load_call "$1" exists "$2"
  case $? in
    0) load_there=yes ;;
    1) load_there=no ;;
    *)
      why="whether $2 is there is not known: $why"
      return 1
      ;;
  esac
}

# load_drop N NAME: it is not there any more.
load_drop() {
  load_look "$1" "$2" || return 1
  [ "$load_there" = no ] || load_call "$1" drop "$2"
}

# look_loads: every loader can tell what is there, and what was replaced is still aside; fails with $why otherwise.
look_loads() {
  look_n=0
  while [ "$look_n" -lt "$loads" ]; do
    look_n=$((look_n + 1))
    load_load "$look_n"
    load_look "$look_n" "$load_old" || return 1
    case $load_phase:$load_had:$load_there in
      in:yes:no)
        why="what was at $load_target is not at $load_old any more"
        return 1
        ;;
    esac
  done
}

check_loads() {
  check_n=0
  while [ "$check_n" -lt "$loads" ]; do
    check_n=$((check_n + 1))
    load_load "$check_n"
    for check_one in "$load_new" "$load_old" "$load_failed"; do
      load_look "$check_n" "$check_one" || return 1
      [ "$load_there" = no ] || {
        why="there is a $check_one already"
        return 1
      }
    done
  done
}

switch_load() {
  load_load "$1"
  load_look "$1" "$load_new" || return 1
  [ "$load_there" = yes ] || {
    why="$load_new is not there"
    return 1
  }
  load_look "$1" "$load_target" || return 1
  journal_add load-out "$1" "$load_there" || return 1
  if [ "$load_there$load_swaps" = yesyes ]; then
    journal_add load-in "$1" && load_call "$1" switch "$load_target" "$load_old" || return 1
    note "${why:-switched: $load_target}"
    return 0
  fi
  [ "$load_there" = no ] || load_call "$1" rename "$load_target" "$load_old" || return 1
  journal_add load-in "$1" || return 1
  load_call "$1" rename "$load_new" "$load_target" || return 1
  note "switched: $load_target"
}

switch_loads() {
  journal_add switching || return 1
  switch_n=0
  while [ "$switch_n" -lt "$loads" ]; do
    switch_n=$((switch_n + 1))
    switch_load "$switch_n" || return 1
  done
  journal_add switched
}

# undo_load N: the old is at its target again. Where the old lies tells what was done: so it may be begun anew at any moment.
undo_load() {
  load_load "$1"
  case $load_phase in '' | undone) return 0 ;; esac
  load_look "$1" "$load_old" || return 1
  load_was_aside=$load_there
  load_look "$1" "$load_target" || return 1
  load_at_target=$load_there
  load_look "$1" "$load_new" || return 1
  if [ "$load_at_target" = yes ] && [ "$load_there" = no ] && [ "$load_placed" = yes ] &&
    { [ "$load_was_aside" = yes ] || [ "$load_had" = no ]; }; then
    if [ "$load_was_aside$load_swaps" = yesyes ]; then
      load_call "$1" back "$load_target" "$load_failed" || return 1
      load_was_aside=no
      [ -z "$why" ] || {
        note "$load_target: $why"
        journal_add load-undone "$1"
        return
      }
    else
      load_call "$1" rename "$load_target" "$load_failed" || return 1
      load_at_target=no
    fi
    note "what was put at $load_target is now $load_failed"
  fi
  if [ "$load_was_aside" = yes ]; then
    [ "$load_at_target" = no ] || {
      why="there is a $load_target that is neither the old nor the new; the old is at $load_old"
      return 1
    }
    load_call "$1" rename "$load_old" "$load_target" || return 1
  elif [ "$load_had" = yes ] && [ "$load_at_target" = no ]; then
    why="the old $load_target is not at $load_old"
    return 1
  fi
  if [ "$load_had" = yes ]; then
    note "$load_target is as it was"
  else
    note "$load_target is not there, as it was not before"
  fi
  journal_add load-undone "$1"
}

# any_switched: of any load the new may be in place.
any_switched() {
  any_n=0
  while [ "$any_n" -lt "$loads" ]; do
    any_n=$((any_n + 1))
    load_load "$any_n"
    case $load_phase in '' | undone) ;; *) return 0 ;; esac
  done
  return 1
}

undo_loads() {
  undo_n=$loads
  while [ "$undo_n" -gt 0 ]; do
    undo_load "$undo_n" || return 1
    undo_n=$((undo_n - 1))
  done
}

# drop_loaded: what was loaded beside its target and is not in place.
drop_loaded() {
  [ "$unloaded" = no ] || return 0
  drop_n=0
  while [ "$drop_n" -lt "$loads" ]; do
    drop_n=$((drop_n + 1))
    load_load "$drop_n"
    load_drop "$drop_n" "$load_new" || return 1
  done
}
