# One tar stream, compressed, at the lowest priority.
# Arguments: NONCE TOOL LEVEL THREADS TAR-ARGUMENT...; for the tar arguments see src/sources/tree/gnu-tar.ts.
# stdin: the names for `-T -`, when that is among the tar arguments.
# stderr: tar's messages (the first 48 KiB), then the status line with the stages tar and compress.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh

nonce=$1 tool=$2 level=$3 threads=$4
shift 4

# Our own stderr is cut after 64 KiB by the client, and the status must not be.
{
  statuses=$(
    {
      {
        stage tar gently tar "$@" | stage compress compress "$tool" "$level" "$threads" >&4
      } 2>&1 | messages_up_to 49152 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
