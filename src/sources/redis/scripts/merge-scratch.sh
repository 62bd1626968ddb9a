# Serves the files of a Redis, unpacked and arranged, from a redis-server of our own on a port of 127.0.0.1, for as
# long as the client is there. A leased script (remote/scripts/lib/lease.sh).
# Arguments (behind the lease's): DIRECTORY BINARY DATABASES LINE...
#   LINE: goes to its configuration
# stdin: first the password that it is to have.
# stdout: records `loading BYTES ALL`, then `ready PORT`, `ready PORT CONTAINER` for one that only a container reaches, or
# `failed TEXT`.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include sources/redis/lib/scratch.sh

undo() { scratch_stop; }

work() {
  directory=$1 binary=$2 databases=$3
  shift 3
  lease_next || exit 0
  password=$line
  scratch_password=$password
  tries=0
  case $binary in
    image:*)
      scratch_start "$directory" "$binary" "$databases" "requirepass $password" 'port 6379' 'bind 127.0.0.1' "$@"
      if scratch_loaded; then
        say ready 6379 "$scratch_container"
      else
        plain "$scratch_answer"
        say failed "$plain"
      fi
      while lease_next; do :; done
      exit 0
      ;;
  esac
  while :; do
    tries=$((tries + 1))
    port=$((20000 + ($$ * 7 + tries * 131) % 12000))
    # The last one given counts.
    scratch_start "$directory" "$binary" "$databases" "requirepass $password" "port $port" 'bind 127.0.0.1' "$@"
    ! scratch_loaded || break
    scratch_stop
    case $scratch_answer in
      *'already in use'* | *'listen on this port'* | *'Failed listening'*) [ "$tries" -lt 50 ] && continue ;;
    esac
    plain "$scratch_answer"
    say failed "$plain"
    while lease_next; do :; done
    exit 0
  done
  say ready "$port"
  while lease_next; do :; done
}

lease_run work undo "$@"
