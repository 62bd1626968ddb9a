# Pins the append-only files of a running Redis while they are read: no rewrite removes one, and each is linked
# aside. A leased script (remote/scripts/lib/lease.sh).
# Arguments (behind the lease's): HOST PORT USER TLS CONTAINER DIRECTORY ID MEMBER NAME POLL
#   DIRECTORY is Redis's own, absolute; ID is made by the client
#   MEMBER/NAME is what the files' place is to be called in the archive; NAME is appenddirname, or appendfilename
#   of a Redis that writes a single file
# stdin: first what redis_open reads.
# stdout: records
#   wait REASON       a rewrite has to end first
#   ready KIB TREE    hard links of the files are in TREE/MEMBER/NAME; they stay until the release
#   failed CODE TEXT  CODE: answer, link, absent, rewritten, stalled
#   kept TEXT         at the end: the setting could not be put back; the marker stays for the next command
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include sources/redis/lib/redis.sh

redis_line() { lease_next || exit 0; }

aside=
changed=

undo() {
  [ -n "$aside" ] || return 0
  if [ -n "$changed" ]; then
    tries=0
    until restore_rewrites "$changed"; do
      tries=$((tries + 1))
      if [ "$tries" -ge 5 ]; then
        # Without the links, with the marker.
        rm -rf "$aside/tree"
        plain "${ask_auth:-$answer}"
        say kept "$plain"
        return 0
      fi
      sleep 1
    done
  fi
  rm -rf "$aside"
  rmdir "${aside%/*}" 2>/dev/null
}

failed() {
  plain "$2"
  say failed "$1" "$plain"
  # The client reads this, then releases.
  while lease_next; do :; done
  exit 0
}

# or_forbidden: without CONFIG rewrites go on. The links are whole all the same: they are made anew when one came in
# between, and one that comes later leaves them as they are.
or_forbidden() {
  case $answer in
    NOPERM* | *'unknown command'*) ;;
    *) failed answer "${ask_auth:-$answer}" ;;
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

# No rewrite runs or is about to.
settled_rewrites() {
  still=0
  before=
  while :; do
    persistence || failed answer "$answer"
    [ "$(info_value aof_rewrite_in_progress)" = 1 ] || [ "$(info_value aof_rewrite_scheduled)" = 1 ] || return 0
    say wait 'an AOF rewrite'
    now=$(ls -l "$directory"/temp-* 2>/dev/null)
    if [ "$now" = "$before" ]; then still=$((still + 1)); else still=0; fi
    [ "$still" -lt 600 ] || failed stalled 'the rewrite makes no progress'
    before=$now
    lease_sleep "$poll"
  done
}

link_all() {
  place=$aside/tree/$member
  mkdir -p "$place" || failed link "$place"
  if [ ! -d "$directory/$name" ]; then
    [ -f "$directory/$name" ] || failed absent "$directory/$name"
    problem=$(ln -- "$directory/$name" "$place/$name" 2>&1) || failed link "$problem"
    return
  fi
  mkdir "$place/$name" || failed link "$place/$name"
  # As the original, as far as we may.
  chmod "$(stat -c %a "$directory/$name")" "$place/$name" 2>/dev/null
  chown "$(stat -c %u:%g "$directory/$name")" "$place/$name" 2>/dev/null
  linked=
  for file in "$directory/$name"/*; do
    [ -f "$file" ] || continue
    case ${file##*/} in temp-*) continue ;; esac
    problem=$(ln -- "$file" "$place/$name/${file##*/}" 2>&1) || failed link "$problem"
    linked=yes
  done
  [ -n "$linked" ] || failed absent "$directory/$name"
}

# What tells one set of files from another: a rewrite puts a new manifest, or a new single file, in place.
generation() {
  if [ -d "$directory/$name" ]; then
    for manifest in "$directory/$name"/*.manifest; do file_number "$manifest"; done
  else
    file_number "$directory/$name"
  fi
}

file_number() {
  # shellcheck disable=SC2012
  ls -i -- "$1" 2>/dev/null | sed 's/^ *\([0-9]*\).*/\1/'
}

work() {
  directory=$1 id=$2 member=$3 name=$4 poll=$5
  redis_open "$host" "$port" "$user" "$tls" "$container"
  percentage=0
  if config_get auto-aof-rewrite-percentage; then percentage=$value; else or_forbidden; fi
  mkdir -p "$directory/.relay-backup" && mkdir "$directory/.relay-backup/aof-$id" ||
    failed link "$directory/.relay-backup"
  aside=$directory/.relay-backup/aof-$id
  # Before the change, so that what follows us can put it back.
  {
    echo "pid $$"
    echo "birth $(birth_of $$)"
    [ "$percentage" = 0 ] || echo "auto-aof-rewrite-percentage $percentage"
  } >"$aside/marker.new" && mv "$aside/marker.new" "$aside/marker" || failed link "$aside/marker"
  if [ "$percentage" != 0 ]; then
    changed=$percentage
    ask CONFIG SET auto-aof-rewrite-percentage 0
    [ "$answer" = OK ] || {
      changed=
      or_forbidden
    }
  fi
  attempts=0
  while :; do
    settled_rewrites
    first=$(generation)
    link_all
    # Somebody may have asked for a rewrite by hand meanwhile.
    settled_rewrites
    [ "$(generation)" != "$first" ] || break
    attempts=$((attempts + 1))
    [ "$attempts" -lt 10 ] || failed rewritten "$directory/$name"
    rm -rf "$aside/tree"
  done
  tell ready "$(du -sk "$aside/tree" | cut -f 1)" "$aside/tree"
  while lease_next; do :; done
}

work_with() {
  host=$1 port=$2 user=$3 tls=$4 container=$5
  shift 5
  work "$@"
}

lease_run work_with undo "$@"
