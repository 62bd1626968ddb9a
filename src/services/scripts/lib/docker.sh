# Services that are containers by their name: `services docker`.
# include services/lib/containers.sh

svc_docker_ids() {
  # The caller has asked before whether the name exists, so a container that is missing here went in between.
  containers_asked docker ps --all --quiet --no-trunc --filter "name=^/$(printf '%s' "$1" | sed 's/\./\\./g')\$"
}

svc_docker_pairs() {
  for docker_one; do
    docker_ids=$(svc_docker_ids "$docker_one") || {
      printf '%s\n' "$docker_ids"
      return 1
    }
    printf '%s\n' "$docker_ids" | sed -n "s/^./$docker_one &/p"
  done
}

svc_docker_renew() {
  why="container ${1%=*} is gone, and only who made it knows how to make it again"
  return 1
}

# Nothing is ever made, and no label names a dependence.
svc_docker_launch() { :; }
svc_docker_needs() { :; }

svc_docker_running() { containers_running "$@"; }
svc_docker_stop() { containers_stop "$@"; }
svc_docker_start() { containers_start "$@"; }
svc_docker_fit() { containers_fit "$@"; }
svc_docker_settle() { containers_settle; }
