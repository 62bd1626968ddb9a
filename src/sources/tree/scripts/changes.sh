# One tar stream of given files and of the tails of files that grew, compressed, at the lowest priority.
# Arguments: NONCE TOOL LEVEL THREADS TAR-ARGUMENT...; the tar arguments read names from stdin (`-T -`).
# stdin: a line for each tail, then a line `members`, then the names for tar. A tail's line is
#   NUMBER PATH LENGTH HEADER SIZE:SHA256...
#   PATH     absolute, HEADER: the tar member's header, both in octal escapes of `printf %b`
#   LENGTH   how many bytes follow the old part
#   SIZE:... the old part, in pieces one behind the other, and the hash each had
# A tail is only sent when every piece still has its hash. Everything of a file is read through one descriptor.
# stdout: the tar; tails come first.
# stderr: messages (the first 32 KiB); lines `relay-backup:<nonce>:unproven NUMBER` for tails that were not sent,
# `relay-backup:<nonce>:short NUMBER` for those that were filled up with zeros because the file shrank; last the
# status line with the stages tails, tar and compress.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh

nonce=$1 tool=$2 level=$3 threads=$4 hash=
shift 4

# A head that takes more of its input than it was asked for can't share a descriptor.
shares=$(printf 'abcd' | { head -c 2 >/dev/null; cat; })

# hash_tool: what prints the SHA-256 of stdin first. openssl uses the processor's own SHA, which most sha256sum do not.
hash_tool() {
  case $(printf abc | openssl dgst -sha256 -r 2>/dev/null) in
    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad*) echo openssl dgst -sha256 -r ;;
    *) echo sha256sum ;;
  esac
}

# prove SIZE:SHA256...: reads the pieces from stdin.
prove() {
  [ "$shares" = cd ] || return 1
  for piece do
    # shellcheck disable=SC2086
    proved=$(head -c "${piece%%:*}" | gently $hash) || return 1
    [ "${proved%% *}" = "${piece#*:}" ] || return 1
  done
}

# tail_of NUMBER LENGTH HEADER PIECE...: one member on stdout, of the file on descriptor 5.
tail_of() {
  number=$1 length=$2 header=$3
  shift 3
  if ! prove "$@" <&5 2>/dev/null; then
    report "$nonce" unproven "$number" >&6
    return 0
  fi
  end=$length
  for piece do end=$((end + ${piece%%:*})); done
  printf %b "$header"
  { head -c "$length" <&5; cat /dev/zero; } 2>/dev/null | head -c $(((length + 511) / 512 * 512))
  now=$(find -L /dev/fd/5 -prune -printf %s 2>/dev/null) || now=0
  [ "${now:-0}" -ge "$end" ] || report "$nonce" short "$number" >&6
}

tails() {
  while IFS=' ' read -r number path length header pieces; do
    [ "$number" != members ] || return 0
    : "${hash:=$(hash_tool)}"
    # The dot keeps line breaks at the end of a name.
    file=$(printf %b. "$path")
    file=${file%.}
    # Not a FIFO that came in its place: opening it would wait for ever.
    if [ -f "$file" ] && [ ! -L "$file" ] && [ -r "$file" ]; then
      # shellcheck disable=SC2086
      { tail_of "$number" "$length" "$header" $pieces; } 5<"$file" || report "$nonce" unproven "$number" >&6
    else
      report "$nonce" unproven "$number" >&6
    fi
  done
  # The list broke off.
  return 1
}

packed() {
  stage tails tails && stage tar gently tar "$@"
}

{
  statuses=$(
    {
      {
        packed "$@" | stage compress compress "$tool" "$level" "$threads" >&4
      } 6>&2 2>&1 | messages_up_to 32768 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
