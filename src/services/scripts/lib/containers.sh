# What the managers compose and docker share: their services are containers. A manager says by
#     svc_MANAGER_ids NAME         the ids of a service's containers, in whatever state, one a line
#     svc_MANAGER_pairs NAME...    lines `NAME ID`, the same of several services
#     svc_MANAGER_renew NAME=N...  makes N containers of each service anew, and starts none; fails with $why
#     svc_MANAGER_launch NAME=N... starts those that were made anew, in the order of their dependence; fails with $why
#     svc_MANAGER_needs            lines `NAME DEPENDENCY`: NAME starts once DEPENDENCY is healthy
# Stopped means stopped, after a reboot or a restart of the engine too: the restart policy is `no` until
# containers_settle. The journal knows the containers that ran and their policies, so that just those start again.

# containers_get ID FORMAT: of one container; fails when it is not there.
containers_get() {
  svc_ask docker inspect --type container --format "$2" -- "$1"
}

# containers_list NAME: its ids in $containers_ids; fails with $why when that can't be found out.
containers_list() {
  containers_ids=$("svc_${manager}_ids" "$1") || {
    why="Docker can't be asked about $1: $containers_ids"
    return 1
  }
}

# containers_asked COMMAND...: its stdout; when it fails, what it says instead, as the reason.
containers_asked() {
  containers_answer=$( (svc_job 60 "$@") 2>&1) || {
    plain "$containers_answer"
    printf '%s\n' "$plain"
    return 1
  }
  printf '%s\n' "$containers_answer" | sed '/^$/d'
}

# containers_survey NAME...: lines of their containers in $containers_table, by few questions, for each takes a while:
#   NAME ID STATUS AUTOREMOVE POLICY:RETRIES EXIT /CONTAINER
# Fails with $why.
containers_survey() {
  containers_table=
  containers_pairs=$("svc_${manager}_pairs" "$@") || {
    why="Docker can't be asked about $*: $containers_pairs"
    return 1
  }
  [ -n "$containers_pairs" ] || return 0
  # shellcheck disable=SC2046
  containers_facts=$( (svc_job 60 docker inspect --type container --format "$containers_format" -- \
    $(printf '%s\n' "$containers_pairs" | sed 's/.* //')) 2>&1) ||
    # A container that was removed since the list was made is no failure.
    case $(printf '%s\n' "$containers_facts" | grep -v -e '^[0-9a-f]\{64\} ' -e '^$' | grep -v -i 'no such container') in
      ?*)
        plain "$containers_facts"
        why="Docker can't be asked about $*: $plain"
        return 1
        ;;
    esac
  containers_table=$(printf '%s\n' "$containers_facts" '' "$containers_pairs" |
    awk 'NF == 0 { pairs = 1; next } !pairs { fact[$1] = substr($0, length($1) + 2); next } $2 in fact { print $1, $2, fact[$2] }')
}
containers_format='{{.Id}} {{.State.Status}} {{.HostConfig.AutoRemove}} '\
'{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}} '\
'{{.State.ExitCode}} {{.Name}}'

# containers_rows NAME FUNCTION: calls it for each of the table's lines of a service, with the other fields.
containers_rows() {
  containers_wanted=$1 containers_call=$2
  while read -r row_name row_id row_status row_removed row_policy row_exit row_own; do
    [ "$row_name" = "$containers_wanted" ] || continue
    "$containers_call" "$row_id" "$row_status" "$row_removed" "$row_policy" "$row_exit" "$row_own" ||
      return 1
  done <<ROWS
$containers_table
ROWS
}

# A subshell asks this, so it prints the reason and sets no `why`.
containers_running() {
  containers_survey "$@" || {
    printf '%s\n' "$why"
    return 1
  }
  for containers_name; do
    containers_is_up=no
    containers_rows "$containers_name" containers_see_up
    [ "$containers_is_up" = no ] || printf '%s\n' "$containers_name"
  done
}

containers_see_up() {
  # Paused counts: it goes on where it was. Restarting: it would come up again by itself.
  case $2 in running | paused | restarting | removing) containers_is_up=yes ;; esac
}

# containers_known NAME: the recorded containers of a service in $containers_recorded; fails when there is none.
containers_known() {
  containers_recorded=
  for containers_record in $service_containers; do
    case $containers_record in
      "$1="*)
        containers_record=${containers_record#*=}
        containers_recorded="$containers_recorded ${containers_record%%=*}"
        ;;
    esac
  done
  [ -n "$containers_recorded" ]
}

# containers_stop NAME...: the last one first, since names are in the order of starting; the containers of a service
# side by side.
containers_stop() {
  containers_order=
  for containers_name; do containers_order="$containers_name $containers_order"; done
  containers_survey "$@" || return 1
  # All that may be refused comes before anything is stopped.
  for containers_name in $containers_order; do
    containers_rows "$containers_name" containers_may_stop || return 1
  done
  containers_going='' containers_policed='' containers_stopped=
  for containers_name in $containers_order; do
    containers_first=no
    containers_known "$containers_name" || containers_first=yes
    containers_rows "$containers_name" containers_suspend || return 1
  done
  [ -n "$containers_going" ] || return 0
  # shellcheck disable=SC2086
  [ -z "$containers_policed" ] || svc_do docker update --restart=no -- $containers_policed || return 1
  containers_graces
  for containers_name in $containers_order; do
    containers_ups='' containers_patience=0
    for containers_one in $containers_going; do
      case $containers_one in "$containers_name="*) ;; *) continue ;; esac
      containers_ups="$containers_ups ${containers_one#*=}"
      containers_grace "$containers_name" "${containers_one#*=}"
      [ "$containers_grace" -le "$containers_patience" ] || containers_patience=$containers_grace
    done
    [ -n "$containers_ups" ] || continue
    # shellcheck disable=SC2086
    svc_do docker stop -t "$containers_patience" -- $containers_ups || return 1
    containers_stopped="$containers_stopped$containers_name $containers_patience$containers_ups$newline"
  done
  containers_tell_killed "$@"
}

containers_may_stop() {
  case $2:$3 in
    paused:*)
      why="container ${6#/} is paused; unpause it first"
      return 1
      ;;
    running:true | restarting:true)
      why="container ${6#/} would be removed when it stops (--rm); end it by hand first"
      return 1
      ;;
  esac
}

# containers_suspend ID STATUS ...: writes a container that runs into the journal before its restart policy is taken away.
containers_suspend() {
  case $2 in running | restarting) ;; *) return 0 ;; esac
  containers_going="$containers_going $containers_name=$1"
  [ "$containers_first" = yes ] || return 0
  case $4 in
    on-failure:0 | always:* | unless-stopped:*) containers_policy=${4%:*} ;;
    on-failure:*) containers_policy=$4 ;;
    *) containers_policy=no ;;
  esac
  journal_add container "$containers_name" "$1" "$containers_policy" || return 1
  [ "$containers_policy" = no ] || containers_policed="$containers_policed $1"
}

# containers_graces: the times to end that those in $containers_going have of their own, by one question. An answer that
# has it only where it is set is no part of the table.
containers_graces() {
  # shellcheck disable=SC2046
  containers_grace_table=$(svc_ask docker inspect --type container --format '{{.Id}} {{json .Config.StopTimeout}}' -- \
    $(printf '%s\n' $containers_going | sed 's/.*=//'))
}
containers_grace_table=

# containers_grace NAME ID: how many seconds it may take to end, in $containers_grace.
containers_grace() {
  containers_grace=$(printf '%s\n' "$containers_grace_table" | sed -n "s/^$2 //p")
  case $containers_grace in
    '' | *[!0-9]*) containers_grace=10 ;;
  esac
  # A store that saves while it ends is not to be killed in the middle of it.
  case " $service_data " in
    *" $1 "*) [ "$containers_grace" -ge 120 ] || containers_grace=120 ;;
  esac
}

# containers_tell_killed NAME...: which of those that were stopped did not end by themselves.
containers_tell_killed() {
  containers_survey "$@" || return 0
  while read -r killed_name killed_patience killed_ids; do
    [ -z "$killed_name" ] || containers_rows "$killed_name" containers_see_killed
  done <<STOPPED
$containers_stopped
STOPPED
}

containers_see_killed() {
  case " $killed_ids :$5" in
    *" $1 "*:137) note "$killed_name did not end within $killed_patience s and was killed" ;;
  esac
}

# containers_stop_one NAME ID
containers_stop_one() {
  containers_going=$1=$2
  containers_graces
  containers_grace "$1" "$2"
  svc_do docker stop -t "$containers_grace" -- "$2" || return 1
  if [ "$(containers_get "$2" '{{.State.ExitCode}}')" = 137 ]; then
    note "$1 did not end within $containers_grace s and was killed"
  fi
}

# containers_stop_begun: ends what was told to stop and has not ended, when nobody waits for it any more. Docker does
# not tell such a container from one that runs, and a start of it would do nothing.
containers_stop_begun() {
  for containers_record in $service_containers; do
    containers_id=${containers_record%=*}
    containers_id=${containers_id#*=}
    case $(containers_get "$containers_id" '{{.State.Status}}') in
      running | restarting) containers_stop_one "${containers_record%%=*}" "$containers_id" || return 1 ;;
    esac
  done
}

# containers_pause NAME...: the last one first, as they are stopped. One that is paused already is somebody else's.
containers_pause() {
  containers_order=
  for containers_name; do containers_order="$containers_name $containers_order"; done
  for containers_name in $containers_order; do
    containers_list "$containers_name" || return 1
    for containers_id in $containers_ids; do
      case $(containers_get "$containers_id" '{{.State.Status}}') in
        running) ;;
        restarting)
          why="$containers_name restarts over and over and can't be paused"
          return 1
          ;;
        *) continue ;;
      esac
      journal_add paused "$containers_name" "$containers_id" || return 1
      containers_freeze "$containers_id" || return 1
    done
  done
}

# containers_freeze ID: pauses it. A cgroup whose processes come and go may not freeze at the first try; runc lets it go
# on then, and leaves it to its callers to try again (github.com/opencontainers/runc/pull/4388).
containers_freeze() {
  containers_tries=1
  until svc_do docker pause -- "$1"; do
    case $why in *'unable to freeze'*) ;; *) return 1 ;; esac
    [ "$containers_tries" -lt 5 ] && [ "$(containers_get "$1" '{{.State.Status}}')" = running ] || return 1
    containers_tries=$((containers_tries + 1))
    lease_sleep 1
  done
}

# containers_unpause: lets all go on that containers_pause has paused; fails with $why when one does not.
containers_unpause() {
  containers_left=
  for containers_record in $service_paused; do
    svc_do docker unpause -- "${containers_record#*=}" || case $why in
      *'is not paused'* | *[Nn]'o such container'*) ;;
      *) containers_left="${containers_left:+$containers_left; }${containers_record%%=*} is still paused: $why" ;;
    esac
  done
  why=$containers_left
  [ -z "$why" ]
}

# containers_unwell: which of those that were paused are not well, in $why; nothing when all are. Docker calls a paused
# container unhealthy until its next check, and that is waited for, a while: it may be long until then.
containers_unwell() {
  containers_bad='' containers_polls=0
  for containers_record in $service_paused; do
    while :; do
      containers_pulse=$(containers_feel "${containers_record#*=}")
      [ "$containers_pulse" = unknown ] && [ "$containers_polls" -lt 120 ] || break
      containers_polls=$((containers_polls + 1))
      lease_sleep 1
    done
    case $containers_pulse in
      well | unknown) ;;
      *) containers_bad="${containers_bad:+$containers_bad; }${containers_record%%=*} $containers_pulse" ;;
    esac
  done
  why=$containers_bad
}

# containers_feel ID: how one is that was paused: well, unknown before its next check, or what is the matter.
containers_feel() {
  containers_facts=$(containers_get "$1" \
    '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{.Config.Healthcheck.Retries}}{{end}}') ||
    containers_facts=$(containers_get "$1" '{{.State.Status}}')
  set -f
  # shellcheck disable=SC2086
  set -- $containers_facts
  case "${1-} ${2-}" in
    running\ unhealthy)
      # So many checks must fail in a row; 0 is the default.
      [ "$4" != 0 ] || set -- "$1" "$2" "$3" 3
      if [ "$3" -ge "$4" ]; then echo 'is unhealthy'; else echo unknown; fi
      ;;
    running\ *) echo well ;;
    *) echo 'does not run' ;;
  esac
}

# containers_health ID: its state, how often it was restarted, its health or none, and its last exit status.
containers_health() {
  # A client that knows no Health where there is no healthcheck fails at it.
  containers_get "$1" \
    '{{.State.Status}} {{.RestartCount}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.State.ExitCode}}' ||
    containers_get "$1" '{{.State.Status}} {{.RestartCount}} none {{.State.ExitCode}}'
}

# containers_start NAME...: in this order, and waits until they run and are healthy.
containers_start() {
  containers_make "$@" && containers_rejoin "$@" || return 1
  containers_ahead=
  for containers_name; do
    containers_need "$containers_name"
    for containers_before in $containers_needs; do
      containers_launch && containers_wait "$containers_before" || return 1
    done
    containers_is_made "$containers_name" || containers_launch || return 1
    containers_start_one "$containers_name" || return 1
  done
  containers_launch || return 1
  for containers_name; do containers_wait "$containers_name" || return 1; done
}

# containers_make NAME...: makes anew those that must be, all by one call of what makes them: its start alone may take
# longer than all else. Nothing starts.
containers_make() {
  containers_new=
  for containers_name; do
    ! containers_is_made "$containers_name" || continue
    containers_list "$containers_name" || return 1
    containers_renew=no
    # What runs by a Compose file or .env that has changed since must be made anew. Undoing what has not been
    # finished starts the containers of before, if they are still there: they are just what was running.
    if [ "$manager_3" = up ] && { [ "$state" != undoing ] || [ "$service_reopened" = yes ]; }; then
      containers_renew=yes
    fi
    containers_known "$containers_name" || containers_recorded=$containers_ids
    containers_count=0
    for containers_id in $containers_recorded; do
      containers_count=$((containers_count + 1))
      case $newline$containers_ids$newline in
        *"$newline$containers_id$newline"*) ;;
        *) containers_renew=yes ;;
      esac
    done
    if [ "$containers_renew" = yes ] || [ "$containers_count" = 0 ]; then
      [ "$containers_count" -gt 0 ] || containers_count=1
      containers_new="$containers_new $containers_name=$containers_count"
    fi
  done
  [ -n "$containers_new" ] || return 0
  # shellcheck disable=SC2086
  containers_renew $containers_new
}

# containers_renew NAME=N...: makes them, and remembers so.
containers_renew() {
  "svc_${manager}_renew" "$@" || return 1
  for containers_each; do
    containers_is_made "${containers_each%=*}" || containers_made="$containers_made $containers_each"
  done
  containers_asked_needs=no
}
# Services that were made anew by this script, and need it no more: NAME=N each.
containers_made=

# containers_is_made NAME: by this script, in $containers_one.
containers_is_made() {
  for containers_one in $containers_made; do
    [ "${containers_one%=*}" != "$1" ] || return 0
  done
  return 1
}

# containers_rejoin NAME...: makes those anew that share a namespace or the volumes of a container that is gone, mostly
# because it was made anew. They may be shared in their turn.
containers_rejoin() {
  [ -n "$containers_made" ] || return 0
  for containers_round; do
    containers_find_lost "$@" || return 1
    [ -n "$containers_lost" ] || return 0
    # shellcheck disable=SC2086
    containers_renew $containers_lost || return 1
  done
}

# containers_find_lost NAME...: those of them, as NAME=N, in $containers_lost; fails with $why.
containers_find_lost() {
  containers_lost='' containers_all=
  containers_pairs=$("svc_${manager}_pairs" "$@") && containers_all=$(containers_asked docker ps --all --quiet --no-trunc) || {
    why="Docker can't be asked about $*: $containers_pairs $containers_all"
    return 1
  }
  [ -n "$containers_pairs" ] || return 0
  # shellcheck disable=SC2046
  containers_facts=$(svc_ask docker inspect --type container --format "$containers_shared" -- \
    $(printf '%s\n' "$containers_pairs" | sed 's/.* //'))
  containers_lost=$(printf '%s\n' "$containers_all" '' "$containers_pairs" '' "$containers_facts" | awk '
    NF == 0 { part++; next }
    !part { there[$1] = 1; next }
    part == 1 { name[$2] = $1; count[$1]++; next }
    {
      for (i = 2; i <= NF; i++) {
        sub(/^container:/, "", $i)
        sub(/:[a-zA-Z,]*$/, "", $i)
        if (length($i) == 64 && $i !~ /[^0-9a-f]/ && !($i in there)) lost[name[$1]] = 1
      }
    }
    END { for (one in lost) print one "=" count[one] }')
}
containers_lost=
containers_shared='{{.Id}} {{.HostConfig.NetworkMode}} {{.HostConfig.IpcMode}} {{.HostConfig.PidMode}}'\
'{{range .HostConfig.VolumesFrom}} {{.}}{{end}}'

# containers_make_missing NAME...: makes those that have no container at all, so that nothing of theirs goes. The journal
# knows them before, and whether what makes them has made no network yet, for containers_unmake.
containers_make_missing() {
  containers_bare=
  for containers_name; do
    containers_list "$containers_name" || return 1
    [ -n "$containers_ids" ] || containers_bare="$containers_bare $containers_name"
  done
  [ -n "$containers_bare" ] || return 0
  if [ "$manager" = compose ] && containers_nets=$(containers_networks) && [ -z "$containers_nets" ]; then
    journal_add making-networks || return 1
  fi
  for containers_name in $containers_bare; do journal_add making "$containers_name" || return 1; done
  # shellcheck disable=SC2086
  containers_make $containers_bare
}

# containers_networks: the ids of those of the Compose project.
containers_networks() {
  containers_asked docker network ls --quiet --no-trunc --filter "label=com.docker.compose.project=$manager_1"
}

# containers_unmake: removes what containers_make_missing has made and never ran, with the volumes that have no name, and
# the networks when no container of the project is left. Notes what stays.
containers_unmake() {
  [ -n "$service_making" ] || return 0
  containers_unmade=
  # shellcheck disable=SC2086
  if containers_survey $service_making; then
    for containers_name in $service_making; do containers_rows "$containers_name" containers_see_unmade; done
    # shellcheck disable=SC2086
    [ -z "$containers_unmade" ] || svc_do docker rm --volumes -- $containers_unmade || note "containers that were made ahead stay: $why"
  else
    note "containers that were made ahead may stay: $why"
  fi
  [ "$service_making_networks" = yes ] &&
    [ -z "$(containers_asked docker ps --all --quiet --filter "label=com.docker.compose.project=$manager_1")" ] || return 0
  containers_nets=$(containers_networks) || containers_nets=
  for containers_one in $containers_nets; do
    svc_do docker network rm "$containers_one" || note "a network that was made ahead stays: $why"
  done
}

# One whose start failed is `created` again, or still.
containers_see_unmade() {
  [ "$2" != created ] || containers_unmade="$containers_unmade $1"
}

# containers_start_one NAME: starts what runs of it, and makes that before where it must. What was made anew is started
# by containers_launch, all at once.
containers_start_one() {
  containers_make "$1" || return 1
  containers_begun="$containers_begun $1"
  if containers_is_made "$1"; then
    containers_ahead="$containers_ahead $containers_one"
    return 0
  fi
  containers_known "$1" || { containers_list "$1" && containers_recorded=$containers_ids; } || return 1
  # shellcheck disable=SC2086
  svc_do docker start -- $containers_recorded
}
# Services that this script has started.
containers_begun=

# containers_launch: what is made, and is to start. Only what has made a container knows all that belongs to its first
# start: secrets that are copied into it, hooks behind it.
containers_launch() {
  [ -n "$containers_ahead" ] || return 0
  containers_batch=$containers_ahead
  containers_ahead=
  # shellcheck disable=SC2086
  "svc_${manager}_launch" $containers_batch
}
containers_ahead=

# containers_begin NAME: starts it, when those are healthy that must be, or have turned out not to be: what ran runs again.
containers_begin() {
  containers_need "$1"
  for containers_before in $containers_needs; do containers_wait "$containers_before" || :; done
  containers_make "$1" && containers_rejoin "$1" && containers_start_one "$1" && containers_launch
}

# containers_need NAME: the services that this script has started and that must be healthy before it starts, in
# $containers_needs.
containers_need() {
  containers_needs=
  [ "$svc_leased" = yes ] || return 0
  if [ "$containers_asked_needs" = no ]; then
    containers_need_table=$("svc_${manager}_needs")
    containers_asked_needs=yes
  fi
  for containers_before in $(printf '%s\n' "$containers_need_table" | awk -v name="$1" '$1 == name { print $2 }'); do
    case " $svc_healthy " in *" $containers_before "*) continue ;; esac
    case " $containers_begun " in *" $containers_before "*) containers_needs="$containers_needs $containers_before" ;; esac
  done
}
containers_asked_needs=no

# containers_wait NAME: until its containers have started, and the healthchecks they have are green. Docker itself
# sets the time: a container is `starting` until so many checks have failed. While undoing nobody waits.
containers_wait() {
  [ "$svc_leased" = yes ] || return 0
  containers_polls=0
  while :; do
    containers_asks=yes
    containers_verdict "$1"
    containers_asks=no
    case $containers_verdict in
      fit)
        [ "$containers_checked" -lt "$containers_want" ] || svc_healthy="$svc_healthy $1"
        return 0
        ;;
      starting) ;;
      *)
        why="$1 $containers_verdict"
        return 1
        ;;
    esac
    containers_polls=$((containers_polls + 1))
    if [ "$containers_polls" -gt 910 ]; then
      why="$1 is not healthy after 15 minutes"
      return 1
    fi
    # Most are well within a second or two, and nobody serves meanwhile.
    [ "$containers_polls" -le 10 ] && sleep 0.2 2>/dev/null || lease_sleep 1
  done
}

# containers_verdict NAME: fit, starting, or what is the matter, in $containers_verdict.
containers_verdict() {
  containers_known "$1" || :
  containers_want=0 containers_fit=0 containers_checked=0 containers_verdict=starting
  for containers_id in $containers_recorded; do containers_want=$((containers_want + 1)); done
  [ "$containers_want" -gt 0 ] || containers_want=1
  containers_list "$1" || {
    containers_verdict=$why
    return
  }
  containers_bad='does not run'
  for containers_id in $containers_ids; do
    containers_facts=$(containers_health "$containers_id")
    case $containers_facts in
      running\ 0\ none\ *) containers_fit=$((containers_fit + 1)) ;;
      running\ 0\ healthy\ *) containers_fit=$((containers_fit + 1)) containers_checked=$((containers_checked + 1)) ;;
      running\ 0\ starting\ *)
        containers_bad=
        if [ "$containers_asks" = yes ] && containers_passes "$containers_id"; then
          containers_fit=$((containers_fit + 1)) containers_checked=$((containers_checked + 1))
        fi
        ;;
      running\ 0\ *) containers_bad='is unhealthy' ;;
      running\ * | restarting\ *) containers_bad='restarts over and over' ;;
      exited\ *) [ "$containers_bad" = 'is unhealthy' ] || containers_bad="ended with exit status ${containers_facts##* }" ;;
    esac
  done
  if [ "$containers_fit" -ge "$containers_want" ]; then
    containers_verdict=fit
  elif [ -n "$containers_bad" ]; then
    containers_verdict=$containers_bad
  fi
}

# containers_passes ID: it passes its own healthcheck. Docker asks for the first time after the whole interval, which may
# be half a minute.
containers_passes() {
  containers_check=$(containers_get "$1" '{{range .Config.Healthcheck.Test}}{{println .}}{{end}}') || return 1
  set -f
  IFS=$newline
  # shellcheck disable=SC2086
  set -- "$1" $containers_check
  unset IFS
  set +f
  containers_id_asked=$1
  case ${2-} in
    CMD)
      shift 2
      # An argument of several lines has become several.
      [ $# = $(($(containers_get "$containers_id_asked" '{{len .Config.Healthcheck.Test}}') - 1)) ] || return 1
      ;;
    CMD-SHELL) set -- sh -c "${containers_check#*"$newline"}" ;;
    *) return 1 ;;
  esac
  (svc_job 10 docker exec "$containers_id_asked" "$@") >/dev/null 2>&1
}

# containers_fit NAME...: those that run, were not restarted since their start, and are not known to be ill.
containers_fit() {
  for containers_name; do
    containers_verdict "$containers_name"
    case $containers_verdict in
      fit | starting) printf '%s\n' "$containers_name" ;;
    esac
  done
}

# containers_settle: the window is over: restart policies are what they were.
containers_settle() {
  containers_left=
  for containers_record in $service_containers; do
    containers_policy=${containers_record##*=}
    containers_id=${containers_record%=*}
    containers_id=${containers_id#*=}
    [ "$containers_policy" != no ] || continue
    # A container that a migration has started, and that does not serve any more, must not come up with the engine.
    case " $service_before " in *" ${containers_record%%=*} "*) ;; *) continue ;; esac
    case " $service_settled " in *" $containers_id "*) continue ;; esac
    if ! svc_do docker update "--restart=$containers_policy" -- "$containers_id"; then
      case $why in
        # A container that was made anew has its policy from the Compose file, and the old container is gone.
        *[Nn]'o such container'*) ;;
        *)
          containers_left="$containers_left ${containers_record%%=*}"
          continue
          ;;
      esac
    fi
    journal_add container-settled "$containers_id" || return 1
  done
  [ -z "$containers_left" ] || {
    why="the restart policy of$containers_left is not what it was"
    return 1
  }
}
