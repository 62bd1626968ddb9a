# Brings the files of a Redis, unpacked beside their target, into the form that its next start loads. A leased
# script (remote/scripts/lib/lease.sh).
# Arguments (behind the lease's): DIRECTORY, then steps with theirs; names are relative to DIRECTORY:
#   mkdir NAME LIKE        a directory whose owner is LIKE's, and whose mode is LIKE's if that is a directory, else
#                          DIRECTORY's
#   move NAME NAME         the second one must not be there
#   append NAME NAME       the first one's content behind the second one's; the first one goes
#   write NAME LIKE TEXT   a file with this text and a line break, with owner and mode of LIKE
#   remove NAME            whatever it is
#   load NAME BINARY DATABASES LIKE LINE
#                          loads the AOF in the directory NAME by a redis-server with LINE in its configuration,
#                          and leaves NAME/dump.rdb, with owner and mode of LIKE
# stdout: records `loading BYTES ALL`, `saving`; at the end `done` or `failed TEXT`.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include sources/redis/lib/scratch.sh

undo() { scratch_stop; }

failed() {
  plain "$1"
  say failed "$plain"
  # The client reads this, then releases.
  while lease_next; do :; done
  exit 0
}

# inside NAME...: they are below the directory, and no symlink leads out of it.
inside() {
  for inside_name; do
    case /$inside_name/ in
      *//* | */../* | */./*) failed "$inside_name is no name below $directory" ;;
    esac
    case $inside_name in
      */*) [ ! -L "${inside_name%%/*}" ] && [ ! -L "${inside_name%/*}" ] || failed "$inside_name is behind a symlink" ;;
    esac
  done
}

# as NAME LIKE MODE: LIKE's owner, and this mode. Without root all is ours already.
as() {
  chown "$(stat -c %u:%g -- "$2")" "$1" 2>/dev/null
  problem=$(chmod "$3" -- "$1" 2>&1) || failed "$problem"
}

step_mkdir() {
  inside "$1"
  [ "$2" = . ] || inside "$2"
  problem=$(mkdir -- "$1" 2>&1) || failed "$problem"
  if [ -d "$2" ]; then mode=$(stat -c %a -- "$2"); else mode=$(stat -c %a .); fi
  as "$1" "$2" "$mode"
}

step_move() {
  inside "$1" "$2"
  [ ! -e "$2" ] && [ ! -L "$2" ] || failed "$2 is there already"
  problem=$(mv -- "$1" "$2" 2>&1) || failed "$problem"
}

step_append() {
  inside "$1" "$2"
  [ ! -L "$1" ] && [ ! -L "$2" ] || failed "$1 or $2 is a symlink"
  problem=$(cat -- "$1" 2>&1 >>"$2") || failed "$problem"
  rm -f -- "$1"
}

step_write() {
  inside "$1" "$2"
  [ ! -e "$1" ] && [ ! -L "$1" ] || failed "$1 is there already"
  printf '%s\n' "$3" >"$1" || failed "$1 can't be written"
  as "$1" "$2" "$(stat -c %a -- "$2")"
}

step_remove() {
  inside "$1"
  problem=$(rm -rf -- "$1" 2>&1) || failed "$problem"
}

step_load() {
  inside "$1" "$4"
  scratch_start "$1" "$2" "$3" 'appendonly yes' 'dbfilename dump.rdb' "$5"
  scratch_loaded || failed "redis-server can't load the AOF: $scratch_answer"
  say saving
  # Not BGSAVE: a fork of a server that does nothing else only costs memory.
  (
    scratch_ask SAVE
    printf '%s\n' "$scratch_answer" >"$scratch_dir/saved.new" && mv "$scratch_dir/saved.new" "$scratch_dir/saved"
  ) 4<&- &
  until [ -f "$1/saved" ]; do
    kill -0 "$scratch_pid" 2>/dev/null || [ -f "$1/saved" ] || failed 'redis-server ended while it saved'
    scratch_pause
  done
  [ "$(cat "$1/saved")" = OK ] || failed "redis-server can't save: $(cat "$1/saved")"
  scratch_stop
  as "$1/dump.rdb" "$4" "$(stat -c %a -- "$4")"
}

work() {
  directory=$1
  shift
  cd -P -- "$directory" || failed "$directory can't be entered"
  while [ $# -gt 0 ]; do
    step=$1
    shift
    case $step in
      mkdir | move | append) "step_$step" "$1" "$2" && shift 2 ;;
      write) step_write "$1" "$2" "$3" && shift 3 ;;
      remove) step_remove "$1" && shift ;;
      load) step_load "$1" "$2" "$3" "$4" "$5" && shift 5 ;;
      *) failed "no step is called $step" ;;
    esac
  done
  sync
  say 'done'
  while lease_next; do :; done
}

lease_run work undo "$@"
