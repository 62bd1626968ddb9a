# Unpacks a tar stream into an empty directory of our own.
# Arguments: DIRECTORY TOOL OWNER EXTRAS STATE [MEMBER NAME]
#   TOOL    zstd, gzip or none: what the stream is compressed with
#   OWNER   owner: numeric owners as in the archive; mine: all is ours
#   EXTRAS  extras: with xattrs and ACLs; plain
#   STATE   empty; again: not empty, the stream has nothing but directories for their times and modes. A tar that
#           sets these at once (busybox; its links to elsewhere even come after everything) needs that.
#   MEMBER  the archive's root, of letters, digits and _ . / - only; it is called NAME here. GNU tar only.
# stdin: the stream. stdout: from GNU tar now and then `members N`, when N of the members lie there complete; after
# everything has ended `status STAGE=N...`, STAGE being decompress or tar.
# stderr: their messages.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include remote/lib/talk.sh

directory=$1 tool=$2 owner=$3 extras=$4 state=$5 member=${6-} name=${7-}

decompress() {
  case $tool in
    zstd) zstd -d -q -c ;;
    gzip) gzip -d -c ;;
    *) cat ;;
  esac
}

unpack() {
  case $directory in
    */.relay-backup/restore-*/*) ;;
    *)
      echo "$directory is no directory for unpacking" >&2
      return 1
      ;;
  esac
  if [ -L "$directory" ] || [ "$(stat -c %u -- "$directory")" != "$(id -u)" ]; then
    echo "$directory is not ours" >&2
    return 1
  fi
  cd -P -- "$directory" || return 1
  if [ "$state" = empty ] && [ -n "$(ls -A)" ]; then
    echo "$directory is not empty" >&2
    return 1
  fi
  set -- -x -p -f -
  case $(tar --version 2>&1) in
    *'GNU tar'*)
      set -- "$@" --numeric-owner --delay-directory-restore --no-ignore-command-error
      if [ "$owner" = owner ]; then set -- "$@" --same-owner; else set -- "$@" --no-same-owner; fi
      # -v: a line a member, when it begins. -k: what was looked at because it lies there complete is not replaced by a
      # name that this file system takes for the same.
      set -- "$@" -v -k
      if [ -n "$member" ]; then
        # Names and what hard links name, not what symlinks do.
        set -- "$@" "--transform=s,^$(printf '%s' "$member" | sed 's/[.]/\\./g')(/|\$),$name\\1,xrhS"
      fi
      # ACLs are among the extended attributes. With --acls tar would not take them from there, and remove them.
      if [ "$extras" = extras ]; then set -- "$@" --xattrs '--xattrs-include=*'; fi
      ;;
    *)
      if [ "$owner" = owner ]; then set -- "$@" --numeric-owner; else set -- "$@" -o; fi
      ;;
  esac
  gently tar "$@"
}

# Without awk nobody hears how far it is, and nothing else.
count_members() {
  command -v awk >/dev/null || {
    cat >/dev/null
    return
  }
  # mawk waits for a full buffer otherwise.
  case $(awk -W version 2>&1 </dev/null) in
    mawk*) set -- -W interactive ;;
    *) set -- ;;
  esac
  awk "$@" 'NR <= 100 || NR % 100 == 0 { print "members\t" NR - 1; fflush() }'
}

{ statuses=$({ stage decompress decompress | stage tar unpack | count_members >&4; } 3>&1); } 4>&1
# shellcheck disable=SC2086
say status $statuses
