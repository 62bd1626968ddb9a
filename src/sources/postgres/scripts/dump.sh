# What one of PostgreSQL's programs dumps, compressed.
# Arguments: NONCE TOOL LEVEL THREADS CONTAINER HOST PORT USER CREDENTIALS PROGRAM ARG...
#   TOOL, LEVEL, THREADS: of `compress` (remote/scripts/lib/pipeline.sh).
# stdin: what pg_run reads.
# stderr: the messages (the first 16 KiB), then the status line with the stages dump and compress.
# include remote/lib/prelude.sh
# include sources/database/lib/dump.sh
# include sources/postgres/lib/postgres.sh

nonce=$1 tool=$2 level=$3 threads=$4
shift 4
dump_compressed "$nonce" "$tool" "$level" "$threads" pg_run "$@"
