# Docker's volumes. Changes nothing.
# stdout, fields parted by TAB:
#   me USER GROUP..., endpoint URL, client missing, failed STATUS TEXT
#                   as docker-look.sh prints them
#   volume JSON     each that there is
#   end
# include remote/lib/prelude.sh
# include services/lib/docker-ask.sh

docker_ask
volume_all=$($docker_time docker volume ls --quiet 2>&1) || docker_fail $? "$volume_all"
if [ -n "$volume_all" ]; then
  # One that went in between makes it fail, and the others are told all the same.
  # shellcheck disable=SC2086
  $docker_time docker volume inspect --format "volume$tab{{json .}}" $volume_all 2>/dev/null
fi
say end
