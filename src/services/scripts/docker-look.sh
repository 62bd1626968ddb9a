# What Docker there is, and its containers. Changes nothing.
# Arguments: [known]             Compose's versions are known: asking docker-compose takes a second
# stdout, fields parted by TAB:
#   me USER GROUP...
#   endpoint URL                 where the client looks for the engine
#   client missing
#   failed STATUS TEXT           the engine can't be asked; what docker says
#   engine VERSION API OS ARCH ROOT SECURITY
#   compose 2|1 VERSION          each that is there: `docker compose`, docker-compose
#   container JSON               one a container, in whatever state. Neither its environment nor its command, which
#                                may hold secrets
#   real SOURCE PATH             a bind mount's source, or a directory that Compose ran in, that leads over a symlink, and
#                                where it leads
#   end                          all was asked
# include remote/lib/prelude.sh
# include services/lib/docker-ask.sh

# Only what every engine has: a key that is missing would leave out the container. Health is one, so it is all of State.
look_container='{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"imageId":{{json .Image}},'\
'"user":{{json .Config.User}},"labels":{{json .Config.Labels}},"mounts":{{json .Mounts}},"state":{{json .State}},'\
'"ports":{{json .HostConfig.PortBindings}},"restartCount":{{json .RestartCount}},"policy":{{json .HostConfig.RestartPolicy}},'\
'"autoRemove":{{json .HostConfig.AutoRemove}},"readOnly":{{json .HostConfig.ReadonlyRootfs}}}'
look_binds='{{range .Mounts}}{{if eq .Type "bind"}}{{println .Source}}{{end}}{{end}}'

docker_ask

# docker-compose is a program of its own; version 2 is a plugin, but also comes under that name.
if [ "${1-}" != known ]; then
  look_version=$($docker_time docker compose version --short 2>/dev/null) && say compose 2 "$look_version"
  # Version 1 starts in half the time so: see compose_tool in services/scripts/lib/compose.sh.
  look_version=$(SETUPTOOLS_USE_DISTUTILS=stdlib $docker_time docker-compose version --short 2>/dev/null) && say compose 1 "$look_version"
fi

look_more=$($docker_time docker info --format '{{.DockerRootDir}}|{{json .SecurityOptions}}' 2>/dev/null)
printf 'engine|%s|%s\n' "$docker_version" "$look_more" | tr '|' '\t'

look_ids=$($docker_time docker ps --all --quiet --no-trunc 2>&1) || docker_fail $? "$look_ids"
# Helper containers (helper.sh) are of no deployment; nor are those that Compose made for the sake of volumes, from copies
# of its files, where the server went down before they were removed (migrate/volumes).
look_own=$newline$(
  $docker_time docker ps --all --quiet --no-trunc --filter label=relay-backup.helper 2>/dev/null
  $docker_time docker ps --all --no-trunc --filter status=created \
    --format '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null |
    sed -n 's,^\([0-9a-f]*\) .*/\.relay-backup/restore-[^/]*/compose$,\1,p'
)$newline
look_wanted=
for look_id in $look_ids; do
  case $look_own in *"$newline$look_id$newline"*) ;; *) look_wanted="$look_wanted $look_id" ;; esac
done
# All are asked about at once. When one of them went in between, or can't be had, they are asked about one by one.
# shellcheck disable=SC2086
if [ -n "$look_wanted" ] &&
  look_answer=$($docker_time docker inspect --type container --format "$look_container" $look_wanted 2>/dev/null); then
  printf '%s\n' "$look_answer" | sed "s/^/container$tab/"
  look_wanted=
fi
for look_id in $look_wanted; do
  if look_answer=$($docker_time docker inspect --type container --format "$look_container" "$look_id" 2>&1); then
    say container "$look_answer"
  else
    case $look_answer in
      # The container went in between.
      *[Nn]'o such container'*) continue ;;
      *) docker_fail 1 "$look_answer" ;;
    esac
  fi
done
if [ -n "$look_ids" ]; then
  {
    # shellcheck disable=SC2086
    $docker_time docker inspect --type container --format "$look_binds" $look_ids 2>/dev/null
    $docker_time docker ps --all --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null
  } | sed '/^$/d' | sort -u |
    while IFS= read -r look_source; do
      look_real=$(readlink -f -- "$look_source" 2>/dev/null) || continue
      [ "$look_real" = "$look_source" ] || say real "$look_source" "$look_real"
    done
fi
say end
