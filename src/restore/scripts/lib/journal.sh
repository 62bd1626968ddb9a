# The journal of a restore says what is to be put in place, and how far the restore has come. Quiesced services
# (services/scripts/lib/quiesce.sh) have a journal of the same form, without units. Every line is on the disk before the
# step that it names is taken. A line ends with a field `.`; a line without it was cut off by a crash, and does not count.
#
#   journal 1 ID SECONDS         the first line; seconds since the epoch
#   unit N KIND TARGET STAGED ASIDE
#                                KIND is rename or children; STAGED may be -
#   carry N MEMBER RULE          carry-name N NAME
#                                MEMBER is where the unit lies below its source's path, or -; for RULE see
#                                restore/scripts/lib/carry.sh
#   load N TARGET NEW OLD FAILED SOURCE SCRIPT ARGUMENT...
#                                data in a server that runs (restore/scripts/lib/load.sh): names in it. SOURCE is whose
#                                secret the script reads, or -. Of a migration these lines follow `started data`
#   swaps N                      that script changes both names at once
#   services MANAGER VALUE...    service data|rest NAME
#   service-secret NAME          a variable that the lines of the manager command read; its value is no part of the journal
#   migration ROLE HOST          from: only services are stopped, there are no units; to, rehearsal: services start
#                                whether they ran before or not. HOST is the other side
#   container NAME ID POLICY     of the service NAME, that ran; its restart policy, which is `no` from here on
#   container-settled ID         its restart policy is back
#   hold KIND MARK               services are quiesced, by stop or pause; by which process (remote/scripts/lib/lock.sh)
#   paused NAME ID               a container of the service NAME, that ran; it is paused from here on
#   making NAME                  of a service that has no container: some are made ahead of its start
#   making-networks              the Compose project has no network either; what makes the containers makes them
#   begun                        stopping, running NAME (one a service that ran), writers-stopped, stopped, swapping
#   made N COUNT                 that many missing ancestors of the target are made
#   out N INODE OWNER MODE       the old is moved aside; - when there was none
#   carried N                    what is to be carried is marked, and now moved
#   in N                         the new is moved in
#   swapped                      starting data|rest, started data|rest
#   switching                    load-out N HAD: the old is renamed (HAD no: there is none), load-in N: the new is
#   switched                     load-undone N
#   unloaded                     undoing has removed what was loaded and is not in its place; loads-discarded: what loads have
#                                set aside is removed for good
#   kept                         of a migration: the new goes on serving until somebody settles it
#   closed HOW                   done, rolled-back or abandoned: nothing is left to do
#   reopened                     a done restore is undone after all; the services that run now follow
#   undoing                      undo-carry N, undo-out N, undo-in N, undone N
#   written N COUNT              files that were written to the new after it was in place; they are kept with it
#   stuck REASON                 undoing could not go on
#   discarded                    of a closed one: what it had set aside is removed for good
#   note TEXT                    what happened, for people
#
# In memory: $id, $epoch, $state, $how, $units (their number), unit_N_kind, _target, _staged, _aside, _home, _made,
# _inode, _owner, _mode, _phase, _emptied (the old was all moved out), _placed; _written;
# carry_N_member, _patterns, _names;
# $manager, manager_1 ..., $service_secrets (names), $service_data, $service_rest, $service_before (names parted by spaces),
# $service_containers (NAME=ID=POLICY each), $service_settled (ids), $service_reopened, $service_paused (NAME=ID each),
# $service_making (names), $service_making_networks (yes or no);
# $loads (their number), load_N_target, _new, _old, _failed, _script, _args, _phase, _had, _placed, _swaps; $unloaded and
# $loads_discarded (yes or no);
# $quiesce_kind, $quiesce_mark; $discarded (yes or no); $migration, $migration_host, $service_launched (the services that a
# migration starts, whether they ran before or not).
# include restore/lib/base.sh

journal_reset() {
  id='' epoch='' state=none how='' units=0 loads=0 unloaded=no loads_discarded=no
  manager=none manager_1=- manager_2=- manager_3=-
  service_data='' service_rest='' service_before='' service_secrets=''
  service_containers='' service_settled='' service_reopened=no service_paused=''
  service_making='' service_making_networks=no
  quiesce_kind='' quiesce_mark=''
  migration='' migration_host='' service_launched='' discarded=no
  stuck='' refused='' journal_cut=no
}

# journal_add FIELD...: appends a line and sees it to the disk. Fails when it can't.
journal_add() {
  journal_line=
  for journal_field; do journal_line=$journal_line$journal_field$tab; done
  # After a line that was cut off, by a full disk or a crash, the next one begins anew.
  [ "$journal_cut" = no ] || journal_line=$newline$journal_line
  if printf '%s.\n' "$journal_line" 2>/dev/null >>"$journal" && sync_path "$journal"; then
    journal_cut=no
    journal_take "$journal_line."
    return 0
  fi
  journal_cut=yes
  why="the journal $journal can't be written"
  add_full "$journal"
  return 1
}

# journal_load FILE: reads a journal into memory; fails when it is none.
journal_load() {
  journal=$1
  journal_reset
  [ -f "$journal" ] && [ ! -L "$journal" ] || return 1
  while IFS= read -r journal_line; do
    case $journal_line in
      *"$tab".) journal_take "$journal_line" ;;
    esac
  done <"$journal"
  [ -z "$(tail -c 1 -- "$journal")" ] || journal_cut=yes
  valid_id "$id"
}

# known_unit N: N is the number of a unit that the journal has.
known_unit() {
  case $1 in
    '' | *[!0-9]* | ??????*) return 1 ;;
  esac
  [ "$1" -ge 1 ] && [ "$1" -le "$units" ]
}

# known_load N: N is the number of a load that the journal has.
known_load() {
  case $1 in
    '' | *[!0-9]* | ??????*) return 1 ;;
  esac
  [ "$1" -ge 1 ] && [ "$1" -le "$loads" ]
}

# safe_name NAME: a service's name that needs no quoting and is no option.
safe_name() {
  case $1 in
    '' | -* | *[!A-Za-z0-9@:._\\-]*) return 1 ;;
  esac
}

# journal_take LINE: keeps in memory what a line says, whether it comes from the journal or from the client. A line that
# can't be understood goes to $refused.
journal_take() {
  taken=${1#"$newline"}
  set -f
  IFS=$tab
  # shellcheck disable=SC2086
  set -- $taken
  unset IFS
  set +f
  verb=${1-}
  case $verb in
    journal) id=${3-} epoch=${4-} ;;
    unit)
      if [ $# -lt 6 ] || [ "$2" != $((units + 1)) ]; then
        refused="a unit out of order"
        return 0
      fi
      units=$2
      eval "unit_${units}_made=0 unit_${units}_inode=- unit_${units}_owner=- \
        unit_${units}_mode=- unit_${units}_phase= unit_${units}_emptied=no \
        unit_${units}_placed=no unit_${units}_written=0 carry_${units}_member= carry_${units}_patterns= carry_${units}_names="
      eval "unit_${units}_kind=\$3"
      decode "$4"
      eval "unit_${units}_target=\$decoded"
      decode "$5"
      eval "unit_${units}_staged=\$decoded"
      decode "$6"
      eval "unit_${units}_aside=\$decoded unit_${units}_home=\${decoded%%/.relay-backup/rollback-*}/.relay-backup"
      ;;
    load)
      if [ $# -lt 9 ] || [ "$2" != $((loads + 1)) ]; then
        refused="a load out of order"
        return 0
      fi
      loads=$2
      eval "load_${loads}_phase= load_${loads}_had=no load_${loads}_placed=no load_${loads}_swaps=no"
      shift 2
      for load_field in target new old failed source script; do
        decode "$1"
        # Secrets are found by the field as it is.
        [ "$load_field" != source ] || decoded=$1
        eval "load_${loads}_$load_field=\$decoded"
        shift
      done
      load_rest=
      while [ $# -gt 1 ]; do
        load_rest=$load_rest$1$tab
        shift
      done
      eval "load_${loads}_args=\$load_rest"
      ;;
    swaps)
      known_load "${2-}" || refused="a swap of no load"
      [ -n "$refused" ] || eval "load_${2}_swaps=yes"
      ;;
    carry)
      known_unit "${2-}" && [ $# -ge 4 ] || refused="a carry of no unit"
      [ -z "$refused" ] || return 0
      decode "$3"
      [ "$3" != - ] || decoded=
      eval "carry_${2}_member=\$decoded"
      decode "$4"
      case $decoded in
        *"$newline"* | '') refused="a pattern that is no line" ;;
        *) eval "carry_${2}_patterns=\$carry_${2}_patterns\$decoded\$newline" ;;
      esac
      ;;
    carry-name)
      known_unit "${2-}" && [ $# -ge 3 ] || refused="a carry of no unit"
      [ -n "$refused" ] || eval "carry_${2}_names=\$carry_${2}_names\$3\$newline"
      ;;
    services)
      manager=${2-}
      # It is all one service.
      [ "$manager" != command ] || service_data=' command'
      decode "${3--}" && manager_1=$decoded
      decode "${4--}" && manager_2=$decoded
      decode "${5--}" && manager_3=$decoded
      ;;
    service)
      decode "${3-}"
      if ! safe_name "$decoded"; then
        refused="a service's name"
        return 0
      fi
      case ${2-} in
        data) service_data="$service_data $decoded" ;;
        rest) service_rest="$service_rest $decoded" ;;
        *) refused="a service of no kind" ;;
      esac
      ;;
    service-secret)
      case ${2-} in
        '' | [0-9]* | *[!A-Za-z0-9_]*) refused="the name of a variable" ;;
        *) service_secrets="$service_secrets $2" ;;
      esac
      ;;
    migration)
      case ${2-} in
        from | to | rehearsal) migration=$2 ;;
        *) refused="a migration of no kind" ;;
      esac
      decode "${3-}"
      migration_host=$decoded
      ;;
    running) safe_name "${2-}" && service_before="$service_before $2" ;;
    container)
      safe_name "${2-}" && safe_name "${3-}" && safe_name "${4-}" &&
        service_containers="$service_containers $2=$3=$4"
      ;;
    making) safe_name "${2-}" && service_making="$service_making $2" ;;
    making-networks) service_making_networks=yes ;;
    hold) quiesce_kind=${2-} quiesce_mark=${3-} ;;
    paused) safe_name "${2-}" && safe_name "${3-}" && service_paused="$service_paused $2=$3" ;;
    container-settled) safe_name "${2-}" && service_settled="$service_settled $2" ;;
    begun | stopping | writers-stopped | stopped | swapping | swapped | switching | switched | kept) state=$verb ;;
    load-out) known_load "${2-}" && eval "load_${2}_phase=out load_${2}_had=\${3-no}" ;;
    load-in) known_load "${2-}" && eval "load_${2}_phase=in load_${2}_placed=yes" ;;
    unloaded) unloaded=yes ;;
    loads-discarded) loads_discarded=yes ;;
    load-undone) known_load "${2-}" && eval "load_${2}_phase=undone" ;;
    starting | started)
      state=$verb-${2-}
      case $verb-$migration:${2-} in
        starting-to:data | starting-rehearsal:data) service_launched="$service_launched $service_data" ;;
        starting-to:rest | starting-rehearsal:rest) service_launched="$service_launched $service_rest" ;;
      esac
      ;;
    undoing) state=undoing stuck='' ;;
    stuck) stuck=${2-} ;;
    closed) state=closed how=${2-} ;;
    discarded) discarded=yes ;;
    reopened)
      state=reopened service_reopened=yes
      # A migration is taken back to what ran before it; FROM's containers have waited with their policies.
      [ -n "$migration" ] || service_before=''
      [ "$migration" = from ] || service_containers='' service_settled=''
      ;;
    made) known_unit "${2-}" && eval "unit_${2}_made=\${3-0}" ;;
    out)
      known_unit "${2-}" && [ $# -ge 5 ] &&
        eval "unit_${2}_phase=out unit_${2}_inode=\$3 unit_${2}_owner=\$4 unit_${2}_mode=\$5"
      ;;
    carried) known_unit "${2-}" && eval "unit_${2}_phase=carried unit_${2}_emptied=yes" ;;
    in) known_unit "${2-}" && eval "unit_${2}_phase=in unit_${2}_emptied=yes unit_${2}_placed=yes" ;;
    undo-carry | undo-out | undo-in | undone) known_unit "${2-}" && eval "unit_${2}_phase=$verb" ;;
    written) known_unit "${2-}" && eval "unit_${2}_written=\${3-0}" ;;
    note) ;;
    *) refused="the line $verb" ;;
  esac
  return 0
}

# journal_is_cutover: whether the loaded journal is a side of a migration that hands over, and that was done or is not
# settled yet. What happened on this server before such a migration is history.
journal_is_cutover() {
  case $migration in
    from | to) [ "$state" != closed ] || [ "$how" = 'done' ] ;;
    *) return 1 ;;
  esac
}

# unit_load N: $kind, $target, $staged, $aside, $home, $old_inode, $old_owner,
# $old_mode, $phase, $emptied, $placed, $made and $written of a unit, and the paths of four files beside the journal: $marks
# has its carried names; the time of $parent_time is that of the target's parent, $swap_time was written when the new was in
# its place, and $undo_time when the old was back.
unit_load() {
  eval "kind=\$unit_${1}_kind target=\$unit_${1}_target staged=\$unit_${1}_staged aside=\$unit_${1}_aside \
    home=\$unit_${1}_home old_inode=\$unit_${1}_inode phase=\$unit_${1}_phase emptied=\$unit_${1}_emptied \
    placed=\$unit_${1}_placed old_owner=\$unit_${1}_owner old_mode=\$unit_${1}_mode made=\$unit_${1}_made"
  marks=${journal%/*}/carried-$1
  parent_time=${journal%/*}/parent-$1
  swap_time=${journal%/*}/swapped-$1
  undo_time=${journal%/*}/undone-$1
  eval "written=\$unit_${1}_written"
  failed=$home/failed-$id/$1
}

# note TEXT: what happened: to the client, and for whoever reads the journal later.
note() {
  plain "$1"
  say note "$plain"
  journal_add note "$plain"
}

# ours: the services that ran before, and those that a migration has started, in $ours.
ours() {
  ours=$service_before
  for ours_one in $service_launched; do
    case " $ours " in *" $ours_one "*) ;; *) ours="$ours $ours_one" ;; esac
  done
}

# homes: the .relay-backup directories of all units besides the deployment's, one a line.
homes() {
  homes_n=0
  while [ "$homes_n" -lt "$units" ]; do
    homes_n=$((homes_n + 1))
    eval "homes_one=\$unit_${homes_n}_home"
    [ "$homes_one/restore-$id/journal" = "$journal" ] || printf '%s\n' "$homes_one"
  done | sort -u
}

# remove_staging: removes what was unpacked and not put in place. The journal, the marks and the notes for later stay.
remove_staging() {
  for leftover in "${journal%/*}"/* "${journal%/*}"/.[!.]* "${journal%/*}"/..?*; do
    case ${leftover##*/} in
      journal | carried-* | parent-* | merge-* | swapped-* | undone-* | log-sizes) ;;
      *) ! exists "$leftover" || remove_tree "$leftover" ;;
    esac
  done
  homes | while IFS= read -r leftover; do
    remove_tree "$leftover/restore-$id"
    rmdir -- "$leftover/rollback-$id" 2>/dev/null
    drop_home "$leftover"
  done
  rmdir -- "${journal%/restore-*}/rollback-$id" 2>/dev/null || :
}
