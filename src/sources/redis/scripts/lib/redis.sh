# Talking to a Redis server through redis-cli, on the server itself or in the container that Redis runs in. The
# password goes into redis-cli's environment, which only its own user and root can read, never into its arguments;
# docker takes it from its own environment, by name.
# include remote/lib/talk.sh
# include sources/redis/lib/auth.sh

unset REDISCLI_AUTH

# redis_line: the next line of what the client says, in $line. A leased script has one of its own.
redis_line() { IFS= read -r line || line=; }

# redis_open HOST PORT USER TLS CONTAINER: which server is meant. HOST is `unix:PATH` for a socket, whose PORT does not
# matter. An empty USER is the default one. CONTAINER is the id of one that runs, and HOST is as seen from inside; empty
# for the server itself; `none` when there is nothing to be asked.
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

# redis_cli ARG...: redis-cli where Redis is. Without a password of ours, one that the container has for it stays.
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

# redis_has_cli: its version in $redis_version; fails when there is no redis-cli, or nothing to be asked.
redis_has_cli() {
  redis_version=
  [ "$redis_container" != none ] || return 1
  [ -n "$redis_container" ] || command -v redis-cli >/dev/null 2>&1 || return 1
  redis_version=$(redis_cli --version 2>&1 </dev/null)
  # So says Docker of a program that is not in the image. What else it may say comes again with the next question.
  case $redis_version in *'executable file not found'*) return 1 ;; esac
}

# ask COMMAND ARG...: leaves the server's answer, also when it is an error, in $answer, the exit status of redis-cli
# in $ask_status, and why it was not let in, if so, in $ask_auth.
ask() {
  if answer=$(redis_run "$@" 2>&1 </dev/null); then ask_status=0; else ask_status=$?; fi
  ask_auth=
  case $answer in
    'AUTH failed: '*"$newline"*)
      ask_auth=${answer%%"$newline"*}
      answer=${answer#*"$newline"}
      ;;
    'AUTH failed: '*)
      ask_auth=$answer
      answer=
      ;;
  esac
}

# config_ask NAME...: asks for several at once, for config_get: in a container each question costs a tenth of a second.
# Nothing is known when there is anything but plain answers in what comes.
config_ask() {
  config_known=
  config_told=$newline
  config_lines=$(printf 'CONFIG GET %s\n' "$@" | redis_run 2>/dev/null; echo .)
  for config_name; do
    config_line
    case $config_line in
      "$config_name") config_line && config_told=$config_told$config_name=$config_line$newline ;;
      # There is no such setting.
      '') config_told=$config_told$config_name!$newline ;;
      *) return 0 ;;
    esac
  done
  [ "$config_lines" != . ] || config_known=$config_told
}

# config_line: takes the next line off $config_lines, in $config_line.
config_line() {
  config_line=${config_lines%%"$newline"*}
  config_lines=${config_lines#*"$newline"}
}
config_known=''

# config_get NAME: its value in $value; fails when the server does not tell, and $answer is what it says instead.
config_get() {
  value=
  case $config_known in
    *"$newline$1="*)
      value=${config_known#*"$newline$1="}
      value=${value%%"$newline"*}
      return 0
      ;;
    *"$newline$1!$newline"*)
      answer=
      return 1
      ;;
  esac
  ask CONFIG GET "$1"
  case $answer in
    "$1$newline"*) value=${answer#*"$newline"} ;;
    # An empty value at the end of the output is lost to $(...).
    "$1") ;;
    *) return 1 ;;
  esac
}

# leftovers DIR: puts back the settings that an earlier run, which is gone, has left changed, and removes its files.
# Counts them in $settled.
leftovers() {
  settled=0
  for marker in "$1"/.relay-backup/aof-*/marker; do
    [ -f "$marker" ] || continue
    marker_pid=$(sed -n 's/^pid //p' "$marker")
    marker_birth=$(sed -n 's/^birth //p' "$marker")
    [ -z "$marker_pid" ] || [ "$(birth_of "$marker_pid")" != "$marker_birth" ] || continue
    restore_rewrites "$(sed -n 's/^auto-aof-rewrite-percentage //p' "$marker")" || continue
    rm -rf "${marker%/marker}"
    rmdir "$1/.relay-backup" 2>/dev/null
    settled=$((settled + 1))
  done
}

# birth_of PID: tells two processes with the same number apart, also over a reboot; `gone` when there is none.
birth_of() {
  if [ -r "/proc/$1/stat" ]; then
    birth_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
    echo "$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20) $birth_boot"
  elif kill -0 "$1" 2>/dev/null; then
    echo alive
  else
    echo gone
  fi
}

# restore_rewrites PERCENTAGE: only over the 0 that we set ourselves.
restore_rewrites() {
  [ -n "$1" ] || return 0
  config_get auto-aof-rewrite-percentage || return 1
  [ "$value" = 0 ] || return 0
  ask CONFIG SET auto-aof-rewrite-percentage "$1"
  [ "$answer" = OK ]
}
