# A conversation with a Redis through redis-cli: one that speaks TLS, listens at a unix socket, or runs in a container.
# Arguments: HOST PORT USER TLS CONTAINER
# stdin: what redis_open reads; then commands as redis-cli reads them, one a line.
# stdout: the answers as redis-cli writes them for people: strings in quotes, with what is not printable escaped. What
# redis-cli has to say of itself comes in between, so that a connection that it had to make anew is noticed.
# Exit status: redis-cli's; 127 when there is none.
# include remote/lib/prelude.sh
# include sources/redis/lib/redis.sh

redis_open "$1" "$2" "$3" "$4" "$5"
[ -n "$redis_container" ] || command -v redis-cli >/dev/null 2>&1 || exit 127
# It takes as long as it takes.
redis_limit=
redis_run --no-raw 2>&1
