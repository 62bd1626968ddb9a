# Services of a Compose project: `services compose PROJECT ARGUMENTS start|up`. ARGUMENTS are those of Compose itself
# that lead to the project (--project-name, --project-directory, --file), one a line. `up`: the Compose file or .env
# is among what is put in place, so a plain start would keep the old values.
# include remote/lib/login.sh
# include services/lib/containers.sh

svc_compose_ids() {
  compose_pairs=$(svc_compose_pairs "$1") || {
    printf '%s\n' "$compose_pairs"
    return 1
  }
  printf '%s\n' "$compose_pairs" | sed -n 's/.* //p'
}

svc_compose_pairs() {
  # What `compose run` has left is no part of the service.
  compose_named=$(containers_asked docker ps --all --no-trunc \
    --filter "label=com.docker.compose.project=$manager_1" \
    --filter label=com.docker.compose.oneoff=False \
    --format '{{.ID}} {{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.project.working_dir"}}') || {
    printf '%s\n' "$compose_named"
    return 1
  }
  compose_wanted=" $* "
  # A project of the same name that is run from another directory is another deployment.
  compose_home=$(printf '%s\n' "$manager_2" | sed -n '/^--project-directory$/{n;p;}')
  printf '%s\n' "$compose_named" | while read -r compose_id compose_of compose_at; do
    case $compose_wanted in *" $compose_of "*) ;; *) continue ;; esac
    case $compose_at in
      '' | "$compose_home") ;;
      *) [ "$(readlink -f -- "$compose_at" 2>/dev/null)" = "$compose_home" ] || continue ;;
    esac
    printf '%s %s\n' "$compose_of" "$compose_id"
  done
}

# compose_tool: `docker compose` or docker-compose, in $compose_tool; fails with $why where there is none.
# Containers that version 1 has made stay with it where it is: version 2 would make them all anew, under other names.
compose_tool() {
  # Asking takes a second or more, and this is asked for each service.
  [ -z "$compose_tool" ] || return 0
  # Version 1 is Python, and half of its start is setuptools taking distutils' place (seen: 0.4 s, and 0.2 s without).
  export SETUPTOOLS_USE_DISTUTILS=stdlib
  compose_made=$(svc_ask docker ps --all --filter "label=com.docker.compose.project=$manager_1" \
    --format '{{.Label "com.docker.compose.version"}}' | sed 1q)
  case $compose_made in
    1.*)
      case $(svc_ask docker-compose version --short) in
        1.*)
          compose_tool=docker-compose
          return 0
          ;;
      esac
      ;;
  esac
  if svc_quiet docker compose version; then
    compose_tool='docker compose'
  elif svc_quiet docker-compose version; then
    compose_tool=docker-compose
  else
    why="neither 'docker compose' nor docker-compose is there"
    return 1
  fi
}

svc_compose_renew() {
  compose_tool || return 1
  compose_asked_joined=no
  compose_anew='' compose_forced=
  for compose_one; do
    if compose_must_force "$compose_one"; then
      compose_forced="$compose_forced $compose_one"
    else
      compose_anew="$compose_anew $compose_one"
    fi
  done
  # shellcheck disable=SC2086
  { [ -z "$compose_anew" ] || compose_up --no-start $compose_anew; } &&
    { [ -z "$compose_forced" ] || compose_up '--no-start --force-recreate' $compose_forced; }
}

svc_compose_launch() {
  compose_tool || return 1
  [ "$compose_asked_joined" = yes ] || compose_find_joined
  compose_group='' compose_how=
  for compose_each; do
    compose_next='--detach --no-recreate'
    case " $compose_joined " in *" ${compose_each%=*} "*) compose_next='--detach --force-recreate' ;; esac
    [ "$compose_next" = "$compose_how" ] || compose_launch_group || return 1
    compose_group="$compose_group $compose_each" compose_how=$compose_next
  done
  compose_launch_group
}

compose_launch_group() {
  # shellcheck disable=SC2086
  [ -z "$compose_group" ] || compose_up "$compose_how" $compose_group || return 1
  compose_group=
}

# compose_find_joined: the services that share another one's namespace, in $compose_joined. Version 1 gives a container
# that it makes while the other does not run a namespace of its own, and only warns: it is made anew once that runs.
compose_find_joined() {
  compose_asked_joined=yes compose_joined=
  [ "$compose_tool" = docker-compose ] || return 0
  set -f
  IFS=$newline
  # shellcheck disable=SC2086
  set -- $manager_2
  unset IFS
  set +f
  compose_stand "$@"
  compose_joined=$(svc_ask sh -c "$as_login" relay-backup sh -c "$compose_there" "$compose_stand" "$compose_tool" "$@" config |
    awk '/^[^ ]/ { inside = $1 == "services:" }
      inside && /^  [^ ]/ { name = $1; sub(/:$/, "", name) }
      inside && /^    (network_mode|pid|ipc): .?service:/ { printf "%s ", name }')
}
compose_asked_joined=no

# Version 2 labels a container with `db:service_healthy:true,queue:service_started:false`. Version 1 does not, and
# knows what it waits for when it starts containers itself.
svc_compose_needs() {
  svc_ask docker ps --all --filter "label=com.docker.compose.project=$manager_1" \
    --filter label=com.docker.compose.oneoff=False \
    --format '{{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.depends_on"}}' |
    awk 'NF == 2 && !seen[$1]++ {
      n = split($2, all, ",")
      for (i = 1; i <= n; i++) if (split(all[i], one, ":") > 1 && one[2] == "service_healthy") print $1, one[1]
    }'
}

# compose_up FLAGS NAME=N...: N containers of each, by one call.
compose_up() {
  compose_flags=$1
  shift
  compose_services=$*
  set -f
  IFS=$newline
  # shellcheck disable=SC2086
  set -- $manager_2
  unset IFS
  set +f
  # shellcheck disable=SC2086
  set -- "$@" up $compose_flags --no-build --no-deps
  # Compose makes as many as the file says; what was scaled by hand keeps its number.
  for compose_one in $compose_services; do
    [ "${compose_one#*=}" -le 1 ] || set -- "$@" --scale "$compose_one"
  done
  for compose_one in $compose_services; do set -- "$@" "${compose_one%=*}"; done
  compose_stand "$@"
  # shellcheck disable=SC2086
  svc_do sh -c "$as_login" relay-backup sh -c "$compose_there" "$compose_stand" $compose_tool "$@"
}

# A person types Compose's commands in the deployment's directory, and its files may name ${PWD}.
# shellcheck disable=SC2016
compose_there='cd -- "$0" 2>/dev/null && export PWD="$0"; exec "$@"'

# compose_stand ARGUMENT...: that directory, of Compose's arguments, in $compose_stand.
compose_stand() {
  compose_stand=/ compose_flag=
  for compose_one; do
    [ "$compose_flag" != --project-directory ] || compose_stand=$compose_one
    compose_flag=$compose_one
  done
}

# compose_must_force NAME=N: `up` alone would keep its containers, and they are not what is to start.
compose_must_force() {
  case " $(printf '%s' "$containers_lost" | tr '\n' ' ') " in *" $1 "*) return 0 ;; esac
  compose_left_over "${1%=*}"
}

# compose_left_over NAME: in a migration, whether the service's container is stopped and has no restart policy. An earlier
# migration leaves it like that when it is undone, or when it moves the app away. Only the Compose file knows the policy
# then, and `up` alone does not compare policies.
compose_left_over() {
  [ -n "$migration" ] || return 1
  case " $service_before " in *" $1 "*) return 1 ;; esac
  containers_list "$1" || return 1
  for compose_id in $containers_ids; do
    case $(containers_get "$compose_id" '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}') in
      'exited no' | 'created no') return 0 ;;
    esac
  done
  return 1
}

# compose_sweep HOME: removes what Compose has made for the sake of volumes from copies of its files below HOME, a
# .relay-backup, where the server went down before that was undone. Such containers never ran; their labels are what
# remembers them.
compose_sweep() {
  compose_left=$(svc_ask docker ps --all --no-trunc --filter status=created \
    --filter "label=com.docker.compose.project=$manager_1" \
    --format '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}' |
    while read -r compose_id compose_at; do
      case $compose_at in "$1"/restore-*/compose) printf '%s\n' "$compose_id" ;; esac
    done)
  # shellcheck disable=SC2086
  [ -z "$compose_left" ] || svc_quiet docker rm -- $compose_left
}

compose_tool=''

svc_compose_running() { containers_running "$@"; }
svc_compose_stop() { containers_stop "$@"; }
svc_compose_start() { containers_start "$@"; }
svc_compose_fit() { containers_fit "$@"; }
svc_compose_settle() { containers_settle; }
