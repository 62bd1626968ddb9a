# What a helper container (helper.sh) could be made of. Changes nothing, but for removing what dead clients have left.
# stdout, fields parted by TAB:
#   me USER GROUP...
#   endpoint URL, client missing, failed STATUS TEXT
#                                as docker-look.sh prints them
#   engine CLIENT SECURITY       the client's version; the engine's options as JSON
#   nsenter yes|no
#   space NAME                   the mount namespace of this session
#   image ID NAME                the first that can be had, of a container that runs before others; none: there is no image
#   end
# include remote/lib/prelude.sh
# include services/lib/docker-ask.sh

docker_ask
docker_client=$($docker_time docker version --format '{{.Client.Version}}' 2>/dev/null)
docker_security=$($docker_time docker info --format '{{json .SecurityOptions}}' 2>/dev/null)
say engine "$docker_client" "$docker_security"
helper_nsenter=no
for helper_one in /usr/bin/nsenter /bin/nsenter /usr/sbin/nsenter /sbin/nsenter; do
  [ ! -x "$helper_one" ] || helper_nsenter=yes
done
say nsenter "$helper_nsenter"
say space "$(readlink /proc/self/ns/mnt)"
$docker_time docker container prune --force --filter label=relay-backup.helper --filter until=10m >/dev/null 2>&1

helper_images() {
  for helper_one in --quiet '--all --quiet'; do
    # shellcheck disable=SC2086
    helper_ids=$($docker_time docker ps --no-trunc $helper_one 2>/dev/null)
    # shellcheck disable=SC2086
    [ -z "$helper_ids" ] ||
      $docker_time docker inspect --type container --format "{{.Image}}$tab{{.Config.Image}}" $helper_ids 2>/dev/null | sort -k 2
  done
  $docker_time docker image ls --no-trunc --format "{{.ID}}$tab{{.Repository}}:{{.Tag}}" 2>/dev/null
}
helper_image=$(helper_images | sed 1q)
[ -z "$helper_image" ] || say image "$helper_image"
say end
