# What a Redis source is on the server: its directory, who works there, and what captures that died have left.
# Changes nothing.
# Arguments: DIRECTORY DIR PID
#   DIRECTORY is absolute. DIR is the one that the server says it works in; where it does not say, PID is its process.
#   Both are empty where they are not known.
# stdout: records of a name and encoded values (remote/scripts/lib/talk.sh), the last one `end`.
#   pin ID PERCENTAGE    a capture that is gone has left the setting auto-aof-rewrite-percentage changed (`aof.sh`);
#                        PERCENTAGE is what it was, or empty where it was not changed
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include sources/redis/lib/process.sh

directory=$1 dir=$2 pid=$3

real_path() {
  (cd "$1" 2>/dev/null && pwd -P) || readlink -f -- "$1" 2>/dev/null || printf '%s\n' "$1"
}

# A server works in its directory. A number from inside a container is another process here, or none.
tell_process_directory() {
  IFS= read -r comm 2>/dev/null <"/proc/$1/comm" || return 0
  case $comm in *redis* | *valkey* | *keydb*) ;; *) return 0 ;; esac
  works_in=$(readlink "/proc/$1/cwd" 2>/dev/null) || return 0
  case $works_in in
    *' (deleted)') tell process-dir '' ;;
    *)
      tell process-dir "$works_in"
      tell dir-real "$works_in"
      ;;
  esac
}

tell uid "$(id -u)"
[ -z "$dir" ] || tell dir-real "$(real_path "$dir")"
[ -z "$pid" ] || tell_process_directory "$pid"
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

  # In the order of the files: inode, time of the last change, size. Busybox has whole seconds.
  if [ "$#" -gt 0 ]; then
    for format in '%i %.Z %s' '%i %Z %s'; do
      states=$(stat -L -c "$format" -- "$@" 2>/dev/null)
      [ "$(printf '%s\n' "$states" | wc -l)" -eq "$#" ] || states=$(
        for file; do stat -L -c "$format" -- "$file" 2>/dev/null || echo gone; done
      )
      case $states in *[0-9]*) break ;; esac
    done
    tell states "$states"
  fi
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

for marker in "$directory"/.relay-backup/aof-*/marker; do
  [ -f "$marker" ] || continue
  marker_pid=$(sed -n 's/^pid //p' "$marker")
  marker_birth=$(sed -n 's/^birth //p' "$marker")
  [ -z "$marker_pid" ] || [ "$(birth_of "$marker_pid")" != "$marker_birth" ] || continue
  marker_id=${marker%/marker}
  tell pin "${marker_id##*/aof-}" "$(sed -n 's/^auto-aof-rewrite-percentage //p' "$marker")"
done
say end
