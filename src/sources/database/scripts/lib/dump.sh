# What a program dumps, compressed. Its messages and the status line are on stderr.
# include remote/lib/pipeline.sh

# dump_compressed NONCE TOOL LEVEL THREADS COMMAND [ARG...]: the first 16 KiB of COMMAND's messages, then the status line with
# the stages dump and compress. TOOL, LEVEL, THREADS: of `compress`.
dump_compressed() {
  dump_nonce=$1 dump_tool=$2 dump_level=$3 dump_threads=$4
  shift 4
  {
    dump_statuses=$(
      {
        {
          stage dump "$@" | stage compress compress "$dump_tool" "$dump_level" "$dump_threads" >&4
        } 2>&1 | messages_up_to 16384 "$dump_nonce" >&2
      } 3>&1
    )
  } 4>&1
  # shellcheck disable=SC2086
  report_status "$dump_nonce" $dump_statuses
}
