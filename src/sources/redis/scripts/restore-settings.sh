# Settings of a running Redis that matter for a restore.
# Arguments: HOST PORT USER TLS CONTAINER
# stdin: what redis_open reads.
# stdout: records of a name and a value, each ended by NUL; what the server does not tell is left out. Besides settings
# `config-sets`: how often CONFIG SET was called.
# include remote/lib/prelude.sh
# include sources/redis/lib/redis.sh

redis_open "$1" "$2" "$3" "$4" "$5"
set -- databases maxmemory maxmemory-policy enable-protected-configs
config_ask "$@"
for name; do
  if config_get "$name"; then printf '%s\0%s\0' "$name" "$value"; fi
done
# Since 7.0 subcommands are counted by themselves.
ask INFO commandstats
case $answer in
  *'cmdstat_config|'*)
    sets=$(printf '%s\n' "$answer" | sed -n 's/^cmdstat_config|set:calls=\([0-9]*\),.*/\1/p')
    printf 'config-sets\0%s\0' "${sets:-0}"
    ;;
esac
printf 'end\0yes\0'
