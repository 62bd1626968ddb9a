# Waits until a Redis that was started has loaded its data, then tells what it holds.
# Arguments: HOST PORT USER TLS CONTAINER STALL
#   STALL: after how many seconds in which nothing moves to give up
# stdin: what redis_open reads.
# stdout: lines
#   loading BYTES ALL    while it loads
#   failed TEXT          it does not answer, or refuses
#   no-cli               it can't be asked
#   up                   then its INFO follows
# include remote/lib/prelude.sh
# include sources/redis/lib/redis.sh

redis_open "$1" "$2" "$3" "$4" "$5"
stall=$6

redis_has_cli || {
  echo no-cli
  exit 0
}
still=0 before= naps=0
while :; do
  ask PING
  case $answer in
    PONG)
      ask INFO
      case $answer in
        '# '*) break ;;
      esac
      ;;
  esac
  case $ask_auth$answer in
    *WRONGPASS* | *NOAUTH* | *NOPERM* | *'invalid password'* | *'invalid username'*)
      printf 'failed %s\n' "$(printf '%s' "${ask_auth:-$answer}" | tr '\n' ' ')"
      exit 0
      ;;
  esac
  now=$answer
  case $answer in
    LOADING*)
      if persistence; then
        now="$(info_value loading_loaded_bytes) $(info_value loading_total_bytes)"
        echo "loading $now"
      fi
      ;;
  esac
  if [ "$now" = "$before" ]; then
    [ "$still" -lt "$stall" ] || {
      printf 'failed %s\n' "$(printf '%s' "$answer" | tr '\n' ' ')"
      exit 0
    }
  else
    still=0
    before=$now
  fi
  naps=$((naps + 1))
  if [ "$naps" -gt 20 ] || ! sleep 0.1 2>/dev/null; then
    sleep 1
    still=$((still + 1))
  fi
done
echo up
printf '%s\n' "$answer"
