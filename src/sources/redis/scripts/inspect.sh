# What a Redis source is: its directory, and what the server says of itself.
# Arguments: HOST PORT USER TLS CONTAINER DIRECTORY SETTLE
#   DIRECTORY is absolute; SETTLE is yes to put back what a run that is gone has left changed. Else nothing is changed.
# stdin: what redis_open reads.
# stdout: records of a name and an encoded value (remote/scripts/lib/talk.sh), the last one `end`.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include sources/redis/lib/redis.sh

redis_open "$1" "$2" "$3" "$4" "$5"
directory=$6 settle=$7

real_path() {
  (cd "$1" 2>/dev/null && pwd -P) || readlink -f -- "$1" 2>/dev/null || printf '%s\n' "$1"
}

# A server works in its directory. A number from inside a container is another process here, or none.
tell_process_directory() {
  IFS= read -r comm 2>/dev/null <"/proc/$process/comm" || return 0
  case $comm in *redis* | *valkey* | *keydb*) ;; *) return 0 ;; esac
  works_in=$(readlink "/proc/$process/cwd" 2>/dev/null) || return 0
  case $works_in in
    *' (deleted)') tell 'process dir' '' ;;
    *)
      tell 'process dir' "$works_in"
      tell dir-real "$works_in"
      ;;
  esac
}

tell uid "$(id -u)"
[ ! -L "$directory" ] || tell link "$(readlink -- "$directory")"
if [ ! -d "$directory" ]; then
  if [ -e "$directory" ]; then tell type other; else tell type missing; fi
else
  tell type directory
  tell real "$(real_path "$directory")"
  # The owner, by number, for the advice in an error.
  set -f
  # shellcheck disable=SC2046
  set -- $(ls -lndL -- "$directory" 2>/dev/null | sed 1q)
  set +f
  tell owner "${3-}"
  if [ -r "$directory" ] && [ -x "$directory" ]; then tell readable yes; fi
  if [ -w "$directory" ]; then tell writable yes; fi
  tell free-kib "$(df -Pk -- "$directory" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  set --
  count=0
  for file in "$directory"/* "$directory"/.[!.]*; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    # Enough to know a Redis directory by.
    [ "$count" -lt 500 ] || break
    count=$((count + 1))
    name=${file##*/}
    if [ -d "$file" ]; then
      tell directory "$name"
      for manifest in "$file"/*.aof.manifest; do
        [ ! -f "$manifest" ] || tell manifest "$name"
      done
    elif [ -f "$file" ]; then
      tell file "$name"
      set -- "$@" "$file"
      [ -r "$file" ] || tell unreadable "$name"
    fi
  done
fi

# In the order of the files: inode, time of the last change, size. Busybox has whole seconds.
if [ -d "$directory" ] && [ "$#" -gt 0 ]; then
  for format in '%i %.Z %s' '%i %Z %s'; do
    states=$(stat -L -c "$format" -- "$@" 2>/dev/null)
    [ "$(printf '%s\n' "$states" | wc -l)" -eq "$#" ] || states=$(
      for file; do stat -L -c "$format" -- "$file" 2>/dev/null || echo gone; done
    )
    case $states in *[0-9]*) break ;; esac
  done
  tell states "$states"
fi

# The server's own process, whatever it listens on: in a container too, whose /data is this directory.
# -ef is no POSIX, but dash, busybox and bash have it.
for process in /proc/[0-9]*; do
  # A builtin: a server has hundreds of processes.
  IFS= read -r comm 2>/dev/null <"$process/comm" || continue
  case $comm in
    redis-server | valkey-server) [ ! "$process/cwd/" -ef "$directory/" ] || tell process "${process#/proc/}" ;;
  esac
done

redis_has_cli || {
  tell cli missing
  say end
  exit 0
}
tell cli "$redis_version"
ask PING
tell ping-status "$ask_status"
tell ping "$answer"
tell auth "$ask_auth"
[ "$ask_status" -eq 0 ] || {
  say end
  exit 0
}
ask INFO
tell info "$answer"
process=$(printf '%s\n' "$answer" | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
set -- dir dbfilename appendonly appenddirname appendfilename save
config_ask "$@"
for name; do
  if config_get "$name"; then
    tell "config $name" "$value"
    # A container's own path says nothing here.
    if [ "$name" = dir ] && [ -z "$redis_container" ]; then tell dir-real "$(real_path "$value")"; fi
  else
    tell "refused $name" "$answer"
    [ "$name" != dir ] || [ -n "$redis_container" ] || tell_process_directory
  fi
done
if [ "$settle" = yes ]; then
  leftovers "$directory"
  tell settled "$settled"
fi
say end
