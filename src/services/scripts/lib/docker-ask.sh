# Whether Docker's engine can be asked at all.
# include restore/lib/base.sh

docker_time=
if timeout -k 5 5 true 2>/dev/null; then docker_time='timeout -k 5 60'; fi

# docker_fail STATUS TEXT: says that the engine can't be asked, and ends the script.
docker_fail() {
  plain "$2"
  say failed "$1" "$plain"
  exit 0
}

# docker_ask: says who asks, and which engine; ends the script when there is none. Its versions are in $docker_version.
docker_ask() {
  say me "$(id -un)" "$(id -Gn)"
  if ! command -v docker >/dev/null 2>&1; then
    say client missing
    exit 0
  fi
  say endpoint "${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null)}"
  docker_version=$($docker_time docker version \
    --format '{{.Server.Version}}|{{.Server.APIVersion}}|{{.Server.Os}}|{{.Server.Arch}}' 2>&1) ||
    docker_fail $? "$docker_version"
}
