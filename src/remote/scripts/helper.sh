# Runs a command as root of this server, for a user who may use Docker. The container is of any image that is there:
# its first program is the server's own nsenter, and that goes on in the namespaces of this session, so the command
# sees the same files, mounts, processes and network as without it. Nothing of the image runs, and nothing is logged.
# Arguments: IMAGE plain|leased COMMAND...
#   IMAGE   an id
#   plain   the command is ended when this client goes: Docker would let it run on
#   leased  it ends by itself at the end of its stdin
# stdin, stdout, stderr and the exit status are the command's; 125 when there is no such container.
# RELAY_UID and RELAY_GID are the user's, so that he is left what is his. HOME stays his: Compose files and Docker's
# contexts refer to it.
# include remote/lib/prelude.sh

helper_nsenter=
for helper_one in /usr/bin/nsenter /bin/nsenter /usr/sbin/nsenter /sbin/nsenter; do
  [ ! -x "$helper_one" ] || helper_nsenter=${helper_nsenter:-$helper_one}
done
if [ -z "$helper_nsenter" ]; then
  echo 'docker: there is no nsenter on this server' >&2
  exit 125
fi
helper_image=$1 helper_how=$2
shift 2

# $$ stays the pid of Docker's client, which takes this shell's place.
# shellcheck disable=SC2016
[ "$helper_how" = leased ] || set -- sh -c '
  (while [ -e "/proc/$1" ]; do sleep 1; done; kill -TERM $$) </dev/null >/dev/null 2>&1 &
  shift
  exec "$@"' relay-backup "$$" "$@"
for helper_one in DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS DOCKER_TLS_VERIFY \
  DOCKER_API_VERSION COMPOSE_PROJECT_NAME COMPOSE_FILE COMPOSE_PATH_SEPARATOR COMPOSE_PROFILES COMPOSE_ENV_FILES \
  COMPOSE_DISABLE_ENV_FILE; do
  eval "helper_value=\${$helper_one-}"
  [ -z "$helper_value" ] || set -- "$helper_one=$helper_value" "$@"
done
set -- --entrypoint "$helper_nsenter" "$helper_image" -t "$$" -m -u -i -n -- \
  env -i "PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin" "HOME=${HOME:-/}" USER=root LOGNAME=root \
  "RELAY_UID=$(id -u)" "RELAY_GID=$(id -g)" "$@"
for helper_one in /bin /sbin /lib /lib32 /lib64 /usr; do
  [ ! -d "$helper_one" ] || set -- --mount "type=bind,src=$helper_one,dst=$helper_one,readonly" "$@"
done
# Only what it takes, not --privileged: that fails on an engine that has not got every capability itself. A signal for
# the client must not reach the command, which would end without undoing what it did.
exec docker run --rm --interactive --sig-proxy=false --pull never --log-driver none --label relay-backup.helper=1 \
  --network none --pid host --userns host --user 0:0 --workdir / --no-healthcheck \
  --cap-add SYS_ADMIN --cap-add SYS_PTRACE --cap-add DAC_READ_SEARCH \
  --security-opt apparmor=unconfined --security-opt seccomp=unconfined --security-opt label=disable "$@"
