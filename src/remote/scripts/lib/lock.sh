# The lock of a deployment: a symlink, made in one step, that names the process that holds it. Nobody has to
# remove it after a crash: a process that is gone, or of another boot, holds nothing.
# include lib/restore-base.sh

# process_start PID: when it started, in ticks since the boot, in $started; fails when there is no such process.
process_start() {
  started=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # Its name, in parentheses, may hold anything.
  set -f
  # shellcheck disable=SC2086
  set -- ${started##*)}
  set +f
  # One that has ended and that nobody has waited for.
  case $1 in
    Z | X) return 1 ;;
  esac
  started=${20}
}

boot_id() {
  cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown
}

# lock_read: $lock_holder is the live holder's pid, or nothing.
lock_read() {
  lock_holder=
  lock_seen=$(readlink "$lock") || return 0
  lock_pid=${lock_seen%%.*}
  lock_rest=${lock_seen#*.}
  case $lock_pid in
    '' | *[!0-9]*) return 0 ;;
  esac
  [ "${lock_rest#*.}" = "$(boot_id)" ] || return 0
  process_start "$lock_pid" || return 0
  [ "$started" = "${lock_rest%%.*}" ] || return 0
  lock_holder=$lock_pid
}

# lock_take: takes $lock for the shell that calls it; fails when another process holds it ($lock_holder).
lock_take() {
  lock_holder=
  # $$ is the script's first shell, which is not the one that works.
  lock_own=$(exec sh -c 'echo $PPID')
  process_start "$lock_own" || return 1
  lock_own=$lock_own.$started.$(boot_id)
  lock_tries=0
  while ! ln -s -- "$lock_own" "$lock" 2>/dev/null; do
    lock_read
    lock_tries=$((lock_tries + 1))
    [ -z "$lock_holder" ] && [ "$lock_tries" -lt 5 ] || return 1
    # Whoever moves it away checks that it was the dead one's: another may have been faster.
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
