# Pins the append-only files of a running Redis while they are read: no rewrite removes one, and each is linked
# aside. A leased script (remote/scripts/lib/lease.sh).
# It changes a setting and puts that back itself: whoever undoes on the server alone must know that what it undoes was
# answered (docs/decisions/0018-who-pins-the-aof.md). Whatever else is asked of the Redis, the client asks.
# Arguments (behind the lease's): HOST PORT USER TLS CONTAINER DIRECTORY ID MEMBER NAME PERCENTAGE
#   DIRECTORY is Redis's own, absolute; ID is made by the client
#   MEMBER/NAME is what the files' place is to be called in the archive; NAME is appenddirname, or appendfilename
#   of a Redis that writes a single file
#   PERCENTAGE is what auto-aof-rewrite-percentage is; empty or 0: it is not changed
# stdin: first what redis_open reads, then
#   link   makes the links, anew where there are some
#   look   tells the files that are there
# stdout: records
#   pinned CHANGED               once; the PERCENTAGE when it is changed, else empty: the server has refused that
#   linked KIB TREE GENERATION   hard links of the files are in TREE/MEMBER/NAME; they stay until the release
#   generation GENERATION        a rewrite makes another one of it
#   failed CODE TEXT             CODE: cli, answer, link, absent
#   kept TEXT                    at the end: the setting could not be put back; the marker stays for the next command
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include sources/redis/lib/redis.sh
# include sources/redis/lib/process.sh

redis_line() { lease_next || exit 0; }

aside=
changed=

# config ARG...: the last line of the answer to CONFIG, in $answer; before it may stand that a password was not needed.
# Fails when there was none.
config() {
  if answer=$(redis_run CONFIG "$@" 2>&1 </dev/null); then answered=0; else answered=1; fi
  answer=${answer##*"$newline"}
  return "$answered"
}

# restore_rewrites PERCENTAGE: only over the 0 that we set ourselves.
restore_rewrites() {
  config GET auto-aof-rewrite-percentage || return 1
  case $answer in
    0) ;;
    '' | *[!0-9]*) return 1 ;;
    *) return 0 ;;
  esac
  config SET auto-aof-rewrite-percentage "$1" && [ "$answer" = OK ]
}

undo() {
  [ -n "$aside" ] || return 0
  if [ -n "$changed" ]; then
    tries=0
    until restore_rewrites "$changed"; do
      tries=$((tries + 1))
      if [ "$tries" -ge 5 ]; then
        # Without the links, with the marker.
        rm -rf "$aside/tree"
        plain "$answer"
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

link_all() {
  rm -rf "$aside/tree"
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

stop_rewrites() {
  # What can't be put back is not changed.
  [ -n "$redis_container" ] || command -v redis-cli >/dev/null 2>&1 || failed cli ''
  changed=$percentage
  # What was not answered may have been done.
  ! config SET auto-aof-rewrite-percentage 0 || [ "$answer" = OK ] || changed=
  case $answer in
    # Where it is refused rewrites go on. The links are whole all the same: they are made anew when one came in between,
    # and one that comes later leaves them as they are.
    OK | NOPERM* | *'unknown command'*) ;;
    *) failed answer "$answer" ;;
  esac
}

work() {
  redis_open "$1" "$2" "$3" "$4" "$5"
  shift 5
  directory=$1 id=$2 member=$3 name=$4 percentage=$5
  [ "$percentage" != 0 ] || percentage=
  mkdir -p "$directory/.relay-backup" && mkdir "$directory/.relay-backup/aof-$id" ||
    failed link "$directory/.relay-backup"
  aside=$directory/.relay-backup/aof-$id
  # Before the change, so that what follows us can put it back.
  {
    echo "pid $$"
    echo "birth $(birth_of $$)"
    [ -z "$percentage" ] || echo "auto-aof-rewrite-percentage $percentage"
  } >"$aside/marker.new" && mv "$aside/marker.new" "$aside/marker" || failed link "$aside/marker"
  [ -z "$percentage" ] || stop_rewrites
  say pinned "$changed"
  while lease_next; do
    case $line in
      link)
        first=$(generation)
        link_all
        tell linked "$(du -sk "$aside/tree" | cut -f 1)" "$aside/tree" "$first"
        ;;
      look) tell generation "$(generation)" ;;
    esac
  done
}

lease_run work undo "$@"
