# Talking to a Redis server through redis-cli, on the server itself or in the container that Redis runs in. The
# password goes into redis-cli's environment, which only its own user and root can read, never into its arguments;
# docker takes it from its own environment, by name.
# include remote/lib/talk.sh
# include sources/redis/lib/auth.sh

unset REDISCLI_AUTH

# redis_line: the next line of what the client says, in $line. A leased script has one of its own.
redis_line() { IFS= read -r line || line=; }

# redis_open HOST PORT USER TLS CONTAINER: says which Redis the other functions speak to. HOST is `unix:PATH` for a socket, whose PORT does not
# matter. An empty USER is the default one. CONTAINER is the id of the container
# that Redis runs in, and HOST is then as seen from inside it; CONTAINER is empty for a Redis on the server itself, and `none`
# when no Redis is to be asked.
# TLS is `no`, or lines: `yes`, then those that apply of `ca FILE`, `cert FILE`, `key FILE`, `sni NAME`, `insecure`.
# What the client says, first: the password, a line, empty for none; then for each FILE that is `-` its lines and an
# empty one, in the order ca, cert, key.
redis_open() {
  redis_host=$1 redis_port=$2 redis_user=$3 redis_container=$5
  redis_line
  redis_password=$line
  redis_tls= redis_ca= redis_cert= redis_key= redis_sni= redis_insecure=
  redis_ca_pem= redis_cert_pem= redis_key_pem=
  redis_words=$4$newline
  while [ -n "$redis_words" ]; do
    redis_word=${redis_words%%"$newline"*}
    redis_words=${redis_words#*"$newline"}
    case $redis_word in
      yes) redis_tls=yes ;;
      'ca '*) redis_ca=${redis_word#ca } ;;
      'cert '*) redis_cert=${redis_word#cert } ;;
      'key '*) redis_key=${redis_word#key } ;;
      'sni '*) redis_sni=${redis_word#sni } ;;
      insecure) redis_insecure=yes ;;
    esac
  done
  if [ "$redis_ca" = - ]; then redis_pem && redis_ca_pem=$redis_text redis_ca=/dev/fd/5; fi
  if [ "$redis_cert" = - ]; then redis_pem && redis_cert_pem=$redis_text redis_cert=/dev/fd/6; fi
  if [ "$redis_key" = - ]; then redis_pem && redis_key_pem=$redis_text redis_key=/dev/fd/7; fi
  redis_limit=
  # A server that takes the connection and says nothing would hold us for ever. (An old busybox wants -t here.)
  if timeout 9 true 2>/dev/null; then redis_limit='timeout 30'; fi
}

# redis_pem: lines up to an empty one, in $redis_text.
redis_pem() {
  redis_text=
  while redis_line && [ -n "$line" ]; do redis_text=$redis_text$line$newline; done
}

# redis_cli ARG...: runs redis-cli where Redis is. Where the config names no password, a REDISCLI_AUTH that the container
# has in its environment counts.
redis_cli() {
  if [ -n "$redis_container" ]; then
    [ -z "$redis_password" ] || set -- -e REDISCLI_AUTH "$redis_container" redis-cli "$@"
    [ -n "$redis_password" ] || set -- "$redis_container" redis-cli "$@"
    auth_run "$redis_password" "$redis_limit" docker exec -i "$@"
  elif [ -n "$redis_ca_pem$redis_cert_pem$redis_key_pem" ]; then
    redis_cli_with_files "$@"
  else
    auth_run "$redis_password" "$redis_limit" redis-cli "$@"
  fi
}

# redis_cli_with_files ARG...: the client's own files as /dev/fd/5 to 7. The key goes through a pipe: some shells keep
# the text of a here-document in a file.
redis_cli_with_files() {
  {
    printf '%s' "$redis_key_pem" | auth_run "$redis_password" "$redis_limit" redis-cli "$@" 7<&0 0<&8 5<<CA 6<<CERT
$redis_ca_pem
CA
$redis_cert_pem
CERT
  } 8<&0
}

# redis_run ARG...: redis-cli with the options of the server at hand.
redis_run() {
  [ -z "$redis_user" ] || set -- --user "$redis_user" "$@"
  if [ -n "$redis_tls" ]; then
    [ -z "$redis_insecure" ] || set -- --insecure "$@"
    [ -z "$redis_sni" ] || set -- --sni "$redis_sni" "$@"
    [ -z "$redis_key" ] || set -- --key "$redis_key" "$@"
    [ -z "$redis_cert" ] || set -- --cert "$redis_cert" "$@"
    [ -z "$redis_ca" ] || set -- --cacert "$redis_ca" "$@"
    set -- --tls "$@"
  fi
  case $redis_host in
    unix:*) redis_cli -s "${redis_host#unix:}" "$@" ;;
    *) redis_cli -h "$redis_host" -p "$redis_port" "$@" ;;
  esac
}
