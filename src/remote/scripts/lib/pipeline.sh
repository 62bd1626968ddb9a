# Pipelines whose every exit status is told. POSIX sh has no pipefail, so each stage writes its own status to
# file descriptor 3. Use:
#
#   { statuses=$({ stage tar make_it | stage zstd compress zstd 3 1 >&4; } 3>&1); } 4>&1
#   report_status "$nonce" $statuses
#
# 141 is SIGPIPE: that stage was cut off by the one behind it.

# stage NAME COMMAND [ARG...]: runs COMMAND as one stage of a pipeline.
stage() {
  stage_name=$1
  shift
  # The command must not hold 3 and 4: the shell waits for whoever has them open.
  if "$@" 3>&- 4>&-; then stage_status=0; else stage_status=$?; fi
  echo "$stage_name=$stage_status" >&3
}

# report NONCE WORD TEXT: a line of ours among messages of tools, on stdout. As a text, too: a script that xargs runs has
# no other way to it. The line break in front separates it from a message that ended without one.
report_definition='report() { printf "\nrelay-backup:%s:%s %s\n" "$1" "$2" "$3"; }'
eval "$report_definition"

# report_status NONCE NAME=STATUS...: the last line on stderr.
report_status() {
  report_nonce=$1
  shift
  report "$report_nonce" status "$*" >&2
}

# messages_up_to BYTES NONCE: passes the beginning of stdin on, counts the rest and says so in a line of its own:
#   relay-backup:<nonce>:cut <bytes>
messages_up_to() {
  head -c "$1"
  messages_rest=$(wc -c)
  if [ "$messages_rest" -gt 0 ]; then
    # $((...)) because some wc pad the number.
    report "$2" cut "$((messages_rest))"
  fi
}

# gently COMMAND [ARG...]: behind everything else on the server, in processor and disk, as far as it has the tools.
gently() {
  if [ -z "${gently_with+set}" ]; then
    gently_with=
    if nice -n 19 true 2>/dev/null; then gently_with='nice -n 19'; fi
    # Not the idle class: on a busy disk that may never get its turn.
    if ionice -c 2 -n 7 true 2>/dev/null; then gently_with="$gently_with ionice -c 2 -n 7"; fi
  fi
  $gently_with "$@"
}

# compress TOOL LEVEL THREADS: stdin to stdout; TOOL is zstd, gzip, pigz or none.
compress() {
  case $1 in
    # One zstd thread means the calling one; --check is the content checksum that the read-back insists on.
    zstd) gently zstd -q -c --check "-$2" "-T$3" ;;
    gzip) gently gzip -c -n "-$2" ;;
    pigz) gently pigz -c -n "-$2" -p "$3" ;;
    *) cat ;;
  esac
}
