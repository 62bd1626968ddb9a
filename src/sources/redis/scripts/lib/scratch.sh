# A redis-server of our own that loads files into memory. It listens on a unix socket in its directory, and nowhere
# else unless asked. BINARY is its path, or image:ID for one of an image, which runs in a container without a network.
# For leased scripts (remote/scripts/lib/lease.sh): undo calls scratch_stop.
# include remote/lib/talk.sh
# include sources/redis/lib/auth.sh

scratch_pid=
scratch_password=
scratch_container=

# scratch_start DIRECTORY BINARY DATABASES [LINE...]: starts it there; LINEs go to its configuration, which comes
# through stdin, so that a password shows up nowhere.
scratch_start() {
  scratch_dir=$1 scratch_binary=$2 scratch_databases=$3
  shift 3
  # Without memory limit, rewrites or saves of its own: it is to hold what the files hold.
  set -- 'port 0' 'unixsocket redis.sock' 'unixsocketperm 700' 'daemonize no' 'save ""' \
    'auto-aof-rewrite-percentage 0' 'maxmemory 0' 'appendfsync no' "databases $scratch_databases" "$@"
  case $scratch_binary in
    image:*) scratch_start_image "${scratch_binary#image:}" "$@" ;;
    *)
      printf '%s\n' "$@" 4<&- |
        (cd -- "$scratch_dir" && exec "$scratch_binary" -) >"$scratch_dir/scratch.log" 2>&1 4<&- &
      scratch_pid=$!
      ;;
  esac
}

# scratch_start_image IMAGE LINE...: the container's stdin is open for as long as this script lives. Its end ends the
# container, also when Docker's client is killed (seen).
scratch_start_image() {
  scratch_image=$1
  shift
  scratch_container=relay-backup-redis-$$-$(date +%s)
  scratch_source=$(cd -P -- "$scratch_dir" && pwd -P)
  rm -f -- "$scratch_dir/scratch.fifo"
  mkfifo -- "$scratch_dir/scratch.fifo" || return
  docker run --rm --interactive --sig-proxy=false --pull never --log-driver none --label relay-backup.helper=1 \
    --name "$scratch_container" --network none --user 0:0 --no-healthcheck \
    --mount "type=bind,src=$scratch_source,dst=/scratch" --workdir /scratch --entrypoint sh "$scratch_image" -c '
      lines=
      while IFS= read -r line && [ "$line" != end ]; do lines="$lines$line
"; done
      printf "%s" "$lines" | redis-server - &
      exec cat >/dev/null' <"$scratch_dir/scratch.fifo" >"$scratch_dir/scratch.log" 2>&1 4<&- &
  scratch_pid=$!
  exec 5>"$scratch_dir/scratch.fifo"
  printf '%s\n' "$@" end >&5
}

# scratch_ask COMMAND [ARG...]: its answer in $scratch_answer. Its password, if any, is $scratch_password.
scratch_ask() {
  if [ -n "$scratch_container" ]; then
    [ -z "$scratch_password" ] || set -- -e REDISCLI_AUTH "$scratch_container" redis-cli -s redis.sock "$@"
    [ -n "$scratch_password" ] || set -- "$scratch_container" redis-cli -s redis.sock "$@"
    scratch_answer=$(auth_run "$scratch_password" '' docker exec "$@" 2>&1 </dev/null 4<&- 5>&-)
  else
    scratch_answer=$(cd -- "$scratch_dir" &&
      auth_run "$scratch_password" '' redis-cli -s redis.sock "$@" 2>&1 </dev/null 4<&-)
  fi
}

# scratch_pause: shortly at first, for small data is loaded at once.
scratch_pause() {
  scratch_pauses=$((${scratch_pauses:-0} + 1))
  if [ "$scratch_pauses" -gt 20 ] || ! sleep 0.1 2>/dev/null; then lease_sleep 1; fi
}

# scratch_loaded: waits until it has loaded, with lines `loading BYTES ALL` on stdout. Fails, with the reason in
# $scratch_answer, when it ends or makes no progress for a minute.
scratch_loaded() {
  scratch_still=0 scratch_before=
  while :; do
    scratch_ask PING
    case $scratch_answer in
      PONG) return 0 ;;
      LOADING*)
        scratch_ask INFO persistence
        scratch_info=$(printf '%s\n' "$scratch_answer" | tr -d '\r')
        scratch_now=$(printf '%s\n' "$scratch_info" | sed -n 's/^loading_loaded_bytes://p')
        say loading "$scratch_now" "$(printf '%s\n' "$scratch_info" | sed -n 's/^loading_total_bytes://p')"
        ;;
      *) scratch_now=none ;;
    esac
    if ! kill -0 "$scratch_pid" 2>/dev/null; then
      scratch_answer=$(tail -n 3 "$scratch_dir/scratch.log" | tr '\n' ' ')
      return 1
    fi
    if [ "$scratch_now" = "$scratch_before" ]; then scratch_still=$((scratch_still + 1)); else scratch_still=0; fi
    scratch_before=$scratch_now
    if [ "$scratch_still" -ge 80 ]; then
      scratch_answer='loading makes no progress'
      return 1
    fi
    scratch_pause
  done
}

scratch_stop() {
  [ -n "$scratch_pid" ] || return 0
  # Its memory is all there is to lose.
  if [ -n "$scratch_container" ]; then
    exec 5>&-
    docker rm --force "$scratch_container" >/dev/null 2>&1
    rm -f -- "$scratch_dir/scratch.fifo"
    scratch_container=
  fi
  kill -9 "$scratch_pid" 2>/dev/null
  wait "$scratch_pid" 2>/dev/null
  scratch_pid=
  rm -f -- "$scratch_dir/redis.sock"
}
