# A directory, or a file, as one tar stream, compressed, at the lowest priority, without what is excluded.
# Arguments: NONCE TOOL LEVEL THREADS FLAVOUR BASE NAME RENAME PATTERN...
#   NAME is packed as seen from BASE; FLAVOUR of tar is gnu or anything else, which gets only what every tar has
#   RENAME is an expression for GNU tar's --transform, or empty; only GNU tar needs it for a NAME that is a
#   symlink, the others follow it
#   PATTERN: wildcards for whole names from BASE on; a name that matches is left out with all that is below it
# stderr: tar's messages, then the status line with the stages tar and compress.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh

nonce=$1 tool=$2 level=$3 threads=$4 flavour=$5 base=$6 name=$7 rename=$8
shift 8

pack_gnu() {
  # Names and messages as in tar.sh.
  gently tar -c -f - --format=posix \
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
    --xattrs '--xattrs-include=*' --quoting-style=escape \
    --no-unquote --anchored --wildcards --no-wildcards-match-slash "$@" \
    -C "$base" -- "$name"
}

# Busybox may have neither --exclude nor -T.
pack_any() {
  cd "$base" || return
  # Busybox tar would pack the symlink itself, also with a slash behind, so that one goes without its directory.
  if [ -L "$name" ]; then
    name=$name/
    set -- "$@" ! -path "$name"
  fi
  gently find "$name" "$@" -exec tar -c -f - --no-recursion {} +
}

count=$#
if [ "$flavour" = gnu ]; then
  pack=pack_gnu
  [ -z "$rename" ] || set -- "$@" "--transform=$rename"
else
  pack=pack_any
fi
while [ "$count" -gt 0 ]; do
  count=$((count - 1))
  if [ "$flavour" = gnu ]; then
    set -- "$@" "--exclude=$1"
  else
    set -- "$@" -path "$1" -prune -o
  fi
  shift
done

{
  statuses=$(
    {
      {
        stage tar "$pack" "$@" | stage compress compress "$tool" "$level" "$threads" >&4
      } 2>&1 | messages_up_to 49152 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
