# The lock of a deployment: a symlink, made in one step, that names the process that holds it. Nobody has to
# remove it after a crash: a process that is gone, or of another boot, holds nothing.
# include restore/lib/base.sh

# process_start PID: when it started, in ticks since the boot, in $started; fails when there is no such process.
process_start() {
  started=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The process's name, in parentheses, may hold anything.
  set -f
  # shellcheck disable=SC2086
  set -- ${started##*)}
  set +f
  # A zombie: a process that has ended and that nobody has waited for.
  case $1 in
    Z | X) return 1 ;;
  esac
  started=${20}
}

boot_id() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown
}

# mark_own: what names the shell that calls it, in $mark; fails when that can't be told.
mark_own() {
  # $$ would be the script's first shell. The work is done by a subshell of it, and its pid is what PPID says here.
  mark=$(exec sh -c 'echo $PPID')
  process_start "$mark" || return 1
  mark=$mark.$started.$(boot_id)
}

# mark_alive MARK: the process that it names still runs; its pid is in $mark_pid.
mark_alive() {
  mark_pid=${1%%.*}
  mark_rest=${1#*.}
  case $mark_pid in
    '' | *[!0-9]*) return 1 ;;
  esac
  [ "${mark_rest#*.}" = "$(boot_id)" ] && process_start "$mark_pid" && [ "$started" = "${mark_rest%%.*}" ]
}

# lock_place DEPLOYMENT: where its lock and its markers lie. The directory is in $lock_home; the names there end with
# $lock_end, which tells deployments apart that share one. Fails with $why.
lock_place() {
  lock_home=$1/.relay-backup lock_end=
  if make_home "$lock_home" && [ -w "$lock_home" ]; then return 0; fi
  # The user may only read there. Users with the same home then exclude each other.
  lock_home=$HOME/.relay-backup
  lock_end=-$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
  make_home "$lock_home" || {
    why="neither $1 nor $HOME can be written to"
    return 1
  }
}

# lock_read: $lock_holder is the live holder's pid, or nothing.
lock_read() {
  lock_holder=
  lock_seen=$(readlink "$lock") || return 0
  mark_alive "$lock_seen" && lock_holder=$mark_pid
  return 0
}

# lock_take: takes $lock for the shell that calls it; fails when another process holds it ($lock_holder).
lock_take() {
  lock_holder=
  mark_own || return 1
  lock_own=$mark
  lock_tries=0
  while ! ln -s -- "$lock_own" "$lock" 2>/dev/null; do
    lock_read
    lock_tries=$((lock_tries + 1))
    [ -z "$lock_holder" ] && [ "$lock_tries" -lt 5 ] || return 1
    # Whoever moves the lock away checks that it was the dead process's, because another process may have been faster.
    mv -- "$lock" "$lock.${lock_own%%.*}" 2>/dev/null || continue
    if [ "$(readlink "$lock.${lock_own%%.*}")" != "$lock_seen" ]; then
      ln -s -- "$(readlink "$lock.${lock_own%%.*}")" "$lock" 2>/dev/null
    fi
    rm -f -- "$lock.${lock_own%%.*}"
  done
}

# lock_drop: gives it back, with the note beside it that says for people who has it.
lock_drop() {
  [ "$(readlink "$lock")" != "$lock_own" ] || rm -f -- "$lock-note" "$lock"
}
