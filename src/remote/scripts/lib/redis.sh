# Talking to a Redis server through redis-cli, on the server itself or in the container that Redis runs in. The
# password goes into redis-cli's environment, which only its own user and root can read, never into its arguments;
# docker takes it from its own environment, by name.

newline='
'

# redis_use HOST PORT USER TLS CONTAINER PASSWORD: which server is meant. An empty USER is the default one, TLS is
# yes or no, an empty PASSWORD is none. CONTAINER is the id of one that runs, and HOST is as seen from inside; empty
# for the server itself; `none` when there is nothing to be asked.
redis_use() {
  redis_host=$1 redis_port=$2 redis_user=$3 redis_tls=$4 redis_container=$5
  if [ -n "$6" ]; then
    REDISCLI_AUTH=$6
    export REDISCLI_AUTH
  else
    unset REDISCLI_AUTH
  fi
  redis_limit=
  # A server that takes the connection and says nothing would hold us for ever. (An old busybox wants -t here.)
  if timeout 9 true 2>/dev/null; then redis_limit='timeout 30'; fi
}

# redis_cli ARG...: redis-cli where Redis is. Without a password of ours, one that the container has for it stays.
redis_cli() {
  if [ -z "$redis_container" ]; then
    $redis_limit redis-cli "$@"
  else
    $redis_limit docker exec -i ${REDISCLI_AUTH+-e REDISCLI_AUTH} "$redis_container" redis-cli "$@"
  fi
}

# redis_run ARG...: redis-cli with the options of the server at hand.
redis_run() {
  [ -z "$redis_user" ] || set -- --user "$redis_user" "$@"
  [ "$redis_tls" != yes ] || set -- --tls "$@"
  redis_cli -h "$redis_host" -p "$redis_port" "$@"
}

# redis_has_cli: its version in $redis_version; fails when there is no redis-cli, or nothing to be asked.
redis_has_cli() {
  redis_version=
  [ "$redis_container" != none ] || return 1
  [ -n "$redis_container" ] || command -v redis-cli >/dev/null 2>&1 || return 1
  redis_version=$(redis_cli --version 2>&1 </dev/null)
  # So says Docker of a program that is not in the image. What else it may say comes again with the next question.
  case $redis_version in *'executable file not found'*) return 1 ;; esac
}

# ask COMMAND ARG...: leaves the server's answer, also when it is an error, in $answer, the exit status of redis-cli
# in $ask_status, and why it was not let in, if so, in $ask_auth.
ask() {
  if answer=$(redis_run "$@" 2>&1 </dev/null); then ask_status=0; else ask_status=$?; fi
  ask_auth=
  case $answer in
    'AUTH failed: '*"$newline"*)
      ask_auth=${answer%%"$newline"*}
      answer=${answer#*"$newline"}
      ;;
    'AUTH failed: '*)
      ask_auth=$answer
      answer=
      ;;
  esac
}

# config_get NAME: its value in $value; fails when the server does not tell.
config_get() {
  ask CONFIG GET "$1"
  value=
  case $answer in
    "$1$newline"*) value=${answer#*"$newline"} ;;
    # An empty value at the end of the output is lost to $(...).
    "$1") ;;
    *) return 1 ;;
  esac
}

# persistence: INFO's part of that name in $info; fails, with the reason in $answer, when there is none.
persistence() {
  ask INFO persistence
  case $answer in
    '# Persistence'*) info=$(printf '%s\n' "$answer" | tr -d '\r') ;;
    *) return 1 ;;
  esac
}

# info_value NAME: from the last persistence; empty when it is not there.
info_value() {
  case $info in
    *"$newline$1:"*)
      info_rest=${info#*"$newline$1:"}
      printf '%s\n' "${info_rest%%"$newline"*}"
      ;;
  esac
}

# file_identity FILE: changes whenever another file is put in its place, also twice within a second.
file_identity() {
  stat -c '%i %z %s' "$1" 2>/dev/null || ls -lid "$1" 2>/dev/null || echo none
}

# leftovers DIR: puts back the settings that an earlier run, which is gone, has left changed, and removes its files.
# Counts them in $settled.
leftovers() {
  settled=0
  for marker in "$1"/.relay-backup/aof-*/marker; do
    [ -f "$marker" ] || continue
    marker_pid=$(sed -n 's/^pid //p' "$marker")
    marker_birth=$(sed -n 's/^birth //p' "$marker")
    [ -z "$marker_pid" ] || [ "$(birth_of "$marker_pid")" != "$marker_birth" ] || continue
    restore_rewrites "$(sed -n 's/^auto-aof-rewrite-percentage //p' "$marker")" || continue
    rm -rf "${marker%/marker}"
    rmdir "$1/.relay-backup" 2>/dev/null
    settled=$((settled + 1))
  done
}

# birth_of PID: tells two processes with the same number apart, also over a reboot; `gone` when there is none.
birth_of() {
  if [ -r "/proc/$1/stat" ]; then
    birth_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
    echo "$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20) $birth_boot"
  elif kill -0 "$1" 2>/dev/null; then
    echo alive
  else
    echo gone
  fi
}

# restore_rewrites PERCENTAGE: only over the 0 that we set ourselves.
restore_rewrites() {
  [ -n "$1" ] || return 0
  config_get auto-aof-rewrite-percentage || return 1
  [ "$value" = 0 ] || return 0
  ask CONFIG SET auto-aof-rewrite-percentage "$1"
  [ "$answer" = OK ]
}
