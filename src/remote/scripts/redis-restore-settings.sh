# Settings of a running Redis that matter for a restore.
# Arguments: HOST PORT USER TLS CONTAINER
# stdin: the password, one line, empty for none.
# stdout: records of a name and a value, each ended by NUL; what the server does not tell is left out.
# include lib/prelude.sh
# include lib/redis.sh

IFS= read -r password || :
redis_use "$1" "$2" "$3" "$4" "$5" "$password"
for name in databases enable-protected-configs; do
  if config_get "$name"; then printf '%s\0%s\0' "$name" "$value"; fi
done
printf 'end\0yes\0'
