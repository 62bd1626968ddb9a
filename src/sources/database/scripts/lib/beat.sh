# A long load that says nothing.

# beating COMMAND [ARG...]: runs COMMAND with dots on stdout, and has its exit status. It says nothing while it makes indexes,
# which may take hours: bytes say that we are alive. Whoever waits for our end waits for all who hold our stdout, so sleep does
# not.
beating() {
  while sleep 5 >/dev/null 2>&1; do printf .; done 2>/dev/null &
  beat=$!
  "$@"
  beat_status=$?
  kill "$beat" 2>/dev/null
  return "$beat_status"
}
