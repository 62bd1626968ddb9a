# Copies SQLite databases aside while others write to them. A leased script (remote/scripts/lib/lease.sh): the copies are
# there until the release, and nothing of them is left when the client goes.
# Arguments (behind the lease's): DEPLOYMENT ID
#   ID is made by the client
# stdin: records
#   copy MEMBER PATH     MEMBER is what the copy is to be called; PATH is absolute. Both are encoded
#   empty MEMBER PATH    an empty file instead of a log: what is in it is in the copy
# stdout: records
#   tree PATH            once; the copies will be there, by their members
#   copied BYTES         the answer to each
#   failed CODE TEXT     instead; CODE: home, tool, space, absent, locked, copy. Nothing more is copied
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include remote/lib/private.sh
# include remote/lib/pipeline.sh
# include sources/sqlite/lib/tool.sh

copies=
copying=

undo() {
  [ -z "$copying" ] || {
    kill "$copying" 2>/dev/null
    wait "$copying" 2>/dev/null
  }
  private_drop
}

failed() {
  plain "$2"
  say failed "$1" "$plain"
  # The client reads this, then releases.
  while lease_next; do :; done
  exit 0
}

make_place() {
  private_make copies "$deployment" "$id" || return 1
  copies=$private
  why=$(mkdir -- "$copies/work" "$copies/tree" 2>&1)
}

# free_kib: on the copies' file system.
free_kib() {
  df -P -k -- "$copies" 2>/dev/null |
    awk 'NR == 2 { for (n = NF; n > 1; n--) if ($n ~ /^[0-9]+%$/) { print $(n - 1); exit } }'
}

# has_space: for a database and its log, and some more.
has_space() {
  space_bytes=$(stat -L -c %s -- "$1") || return 1
  space_log=$(stat -L -c %s -- "$1-wal" 2>/dev/null) || space_log=0
  space_free=$(free_kib)
  [ -z "$space_free" ] || [ "$space_free" -gt $(((space_bytes + space_log) / 1024 + 4096)) ]
}

# A child of the shell that works. It tells its status in a file, since a shell must not wait where signals come.
copy_child() {
  cd -- "$copies/work" || exit
  trap 'kill $child 2>/dev/null; exit 1' TERM
  tool_copy "$1" >said 2>&1 </dev/null &
  child=$!
  wait "$child"
  echo $? >status.new
  mv status.new status
}

# copy_done: the copy has ended. Small ones are looked after often; a wait in between sees the end of the lease.
copy_done() {
  [ ! -e "$copies/work/status" ] || return 0
  if [ "$looks" -lt 40 ]; then sleep 0.05 2>/dev/null || lease_sleep 1; else lease_sleep 1; fi
  looks=$((looks + 1))
  return 1
}

copy_one() {
  [ -f "$2" ] || failed absent "$2"
  has_space "$2" || failed space "$((space_bytes + space_log))"
  rm -f -- "$copies"/work/*
  copy_child "$2" </dev/null >/dev/null 2>&1 4<&- &
  copying=$! looks=0
  until copy_done; do :; done
  copying=
  said=$(head -c 600 "$copies/work/said")
  if [ "$(cat "$copies/work/status")" != 0 ] || [ -n "$said" ] || [ ! -s "$copies/work/copy" ]; then
    case $said in
      *locked* | *busy*) failed locked "$said" ;;
      *'disk is full'*) failed space "$said" ;;
      *) failed copy "${said:-the copy is empty}" ;;
    esac
  fi
  place_copy "$1" "$2"
}

# place_copy MEMBER ORIGINAL: what lies in work/copy gets its place.
place_copy() {
  copy=$copies/tree/$1
  why=$(mkdir -p -- "${copy%/*}" 2>&1) && why=$(mv -- "$copies/work/copy" "$copy" 2>&1) || failed home "$why"
  # As the original, as far as we may.
  cp --attributes-only --preserve=mode,ownership,timestamps,xattr -- "$2" "$copy" 2>/dev/null || {
    chown -- "$(stat -L -c %u:%g -- "$2" 2>/dev/null)" "$copy"
    chmod -- "$(stat -L -c %a -- "$2" 2>/dev/null)" "$copy"
    touch -r "$2" -- "$copy"
  } 2>/dev/null
  say copied "$(stat -c %s -- "$copy")"
}

work() {
  deployment=$1 id=$2
  tool_find
  [ -n "$tool" ] || failed tool ''
  make_place || failed home "$why"
  tell tree "$copies/tree"
  while lease_next; do
    set -f
    IFS=$tab
    # shellcheck disable=SC2086
    set -- $line
    unset IFS
    set +f
    what=$1
    decode "$2"
    member=$decoded
    decode "$3"
    case $what in
      copy) copy_one "$member" "$decoded" ;;
      empty)
        rm -f -- "$copies"/work/*
        : >"$copies/work/copy"
        place_copy "$member" "$decoded"
        ;;
    esac
  done
}

lease_run work undo "$@"
