# The RDB of a Redis whose files can't be read, as it sends it to a replica. Something may follow it: the client
# knows where it ends.
# Arguments: NONCE HOST PORT USER TLS CONTAINER
# stdin: what redis_open reads.
# stderr: messages of redis-cli, then the status line with the stages redis and pass.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include sources/redis/lib/redis.sh

nonce=$1
redis_open "$2" "$3" "$4" "$5" "$6"
# The transfer takes as long as it takes.
redis_limit=

# `-` for stdout is understood since 6.2; before that it would be a file of this name.
target=/dev/stdout
case $(redis_cli --version </dev/null) in
  'redis-cli '6.[2-9]* | 'redis-cli '[789]* | 'redis-cli '[1-9][0-9]* | valkey-cli*) target=- ;;
esac

send() { redis_run --rdb "$target" </dev/null; }

{
  statuses=$(
    {
      {
        # /dev/stdout can be opened again when it is a pipe, not when it is the socket that sshd may give us.
        stage redis send | stage pass cat >&4
      } 2>&1 | messages_up_to 16384 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
