# Redis's password for the one command that needs it. Whatever else a script starts does not have it in its environment,
# and nobody has it in the arguments.

# auth_run PASSWORD LIMIT COMMAND [ARG...]: runs COMMAND with PASSWORD in REDISCLI_AUTH. An empty PASSWORD means that there
# is none. LIMIT is a command that runs COMMAND (`timeout 30`), or empty. The password goes through a pipe to a shell that becomes COMMAND, so
# that LIMIT does not have it either.
auth_run() {
  auth_password=$1 auth_limit=$2
  shift 2
  if [ -z "$auth_password" ]; then
    $auth_limit "$@"
    return
  fi
  {
    printf '%s\n' "$auth_password" |
      $auth_limit sh -c 'IFS= read -r REDISCLI_AUTH <&9; export REDISCLI_AUTH; exec "$@" 9<&-' sh "$@" 9<&0 0<&8 8<&-
  } 8<&0
}
