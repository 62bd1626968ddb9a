# What containers were made from, as Docker has it. Changes nothing. Of their environment only the names: values may be
# secrets.
# Arguments: containers ID...     these, by id or name
#            project NAME         those of a Compose project that run
# stdout, fields parted by TAB:
#   me USER GROUP..., endpoint URL, client missing, failed STATUS TEXT
#                   as docker-look.sh prints them
#   container JSON  one that is there
#   env NAME        of a variable of the one before
#   end
# include remote/lib/prelude.sh
# include services/lib/docker-ask.sh

make_format='{"name":{{json .Name}},"labels":{{json .Config.Labels}},"imageId":{{json .Image}},'\
'"ports":{{json .HostConfig.PortBindings}},"mounts":{{json .Mounts}}}'
make_of=$1
shift
docker_ask
if [ "$make_of" = project ]; then
  make_ids=$($docker_time docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$1" \
    --filter label=com.docker.compose.oneoff=False 2>&1) || docker_fail $? "$make_ids"
  # shellcheck disable=SC2086
  set -- $make_ids
fi
for make_id; do
  make_answer=$($docker_time docker inspect --type container --format "$make_format" "$make_id" 2>/dev/null) || continue
  say container "$make_answer"
  $docker_time docker inspect --type container \
    --format '{{range .Config.Env}}{{println (index (split . "=") 0)}}{{end}}' "$make_id" 2>/dev/null |
    sed '/^$/d' | while IFS= read -r make_name; do say env "$make_name"; done
done
say end
