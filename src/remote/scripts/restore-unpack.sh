# Unpacks a tar stream into an empty directory of our own.
# Arguments: DIRECTORY TOOL OWNER EXTRAS STATE
#   TOOL    zstd, gzip or none: what the stream is compressed with
#   OWNER   owner: numeric owners as in the archive; mine: all is ours
#   EXTRAS  extras: with xattrs and ACLs; plain
#   STATE   empty; again: not empty, the stream has nothing but directories for their times and modes. A tar that
#           sets these at once (busybox; its links to elsewhere even come after everything) needs that.
# stdin: the stream. stdout: one line, `status STAGE=N...`, after everything has ended, STAGE being decompress or tar.
# stderr: their messages.
# include lib/prelude.sh
# include lib/pipeline.sh

directory=$1 tool=$2 owner=$3 extras=$4 state=$5

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
      if [ "$extras" = extras ]; then set -- "$@" --xattrs '--xattrs-include=*' --acls; fi
      ;;
    *)
      if [ "$owner" = owner ]; then set -- "$@" --numeric-owner; else set -- "$@" -o; fi
      ;;
  esac
  gently tar "$@"
}

statuses=$({ stage decompress decompress | stage tar unpack >&2; } 3>&1)
# shellcheck disable=SC2086
echo status $statuses
