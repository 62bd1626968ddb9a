# Which volume is meant by a name. Changes nothing.
# Arguments: NAME DEPLOYMENT
#   NAME  in letters, digits, `_`, `.` and `-`: of a volume, or of one of a Compose file
# stdout, fields parted by TAB:
#   me USER GROUP..., endpoint URL, client missing, failed STATUS TEXT
#                   as of services-docker-look.sh
#   volume JSON     the one of this name, else each that a Compose project knows by it
#   project NAME    of the containers that were made in DEPLOYMENT
#   other NAME      each volume there is
#   end
# include lib/prelude.sh
# include lib/services-docker-ask.sh

volume_name=$1 deployment=$2
docker_ask
volume_all=$($docker_time docker volume ls --quiet 2>&1) || docker_fail $? "$volume_all"
case $newline$volume_all$newline in
  *"$newline$volume_name$newline"*) volume_found=$volume_name ;;
  *) volume_found=$($docker_time docker volume ls --quiet --filter "label=com.docker.compose.volume=$volume_name") ;;
esac
for volume_one in $volume_found; do
  volume_json=$($docker_time docker volume inspect --format '{{json .}}' "$volume_one" 2>&1) ||
    docker_fail $? "$volume_json"
  say volume "$volume_json"
done
for volume_one in $($docker_time docker ps --all --filter "label=com.docker.compose.project.working_dir=$deployment" \
  --format '{{.Label "com.docker.compose.project"}}' | sort -u); do
  say project "$volume_one"
done
for volume_one in $volume_all; do say other "$volume_one"; done
say end
