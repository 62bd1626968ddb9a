# What one of the server's own programs dumps, compressed.
# Arguments: NONCE TOOL LEVEL THREADS CONTAINER HOST PORT USER CREDENTIALS PROGRAM ARG...
#   TOOL, LEVEL, THREADS: of `compress` (remote/scripts/lib/pipeline.sh).
# stdin: what mysql_run reads.
# stderr: the messages (the first 16 KiB), then the status line with the stages dump and compress.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include sources/mysql/lib/mysql.sh

nonce=$1 tool=$2 level=$3 threads=$4
shift 4

{
  statuses=$(
    {
      {
        stage dump mysql_run "$@" | stage compress compress "$tool" "$level" "$threads" >&4
      } 2>&1 | messages_up_to 16384 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
