# Services that are stopped, started and looked at by one command line of sh each: `services command STOP START
# STATUS`, STATUS being - where there is none. They are one service, named `command`.
# Lines may read secrets as variables ($service_secrets). These are in the environment of the line, and of what it starts.
# include remote/lib/login.sh
# include restore/lib/secrets.sh

# The login's environment comes first, and must not win. Arguments: the line.
# shellcheck disable=SC2016
command_reveal='for RELAY_SECRET in $RELAY_SECRETS; do
  eval "$RELAY_SECRET=\$RELAY_SECRET_$RELAY_SECRET; export $RELAY_SECRET; unset RELAY_SECRET_$RELAY_SECRET"
done
unset RELAY_SECRET RELAY_SECRETS
exec sh -c "$1"'

# command_line svc_do|svc_quiet LINE
command_line() {
  if [ -z "$service_secrets" ]; then
    "$1" sh -c "$as_login" relay-backup sh -c "$2"
  else
    "$1" sh -c "$as_login" relay-backup sh -c "$command_reveal" relay-backup "$2"
  fi
}

# command_environment: for a subshell that becomes the line. `export` is a builtin: no list of processes shows the value.
command_environment() {
  for command_one in $service_secrets; do
    secret_of "services:$command_one" && export "RELAY_SECRET_$command_one=$secret"
  done
  export RELAY_SECRETS="$service_secrets"
}

# command_hide TEXT: without the secrets, in $command_text.
command_hide() {
  command_text=$1
  for command_one in $service_secrets; do
    secret_of "services:$command_one" && [ -n "$secret" ] || continue
    command_rest=$command_text command_text=
    while :; do
      case $command_rest in
        *"$secret"*) ;;
        *) break ;;
      esac
      command_text="$command_text${command_rest%%"$secret"*}[$command_one]"
      command_rest=${command_rest#*"$secret"}
    done
    command_text=$command_text$command_rest
  done
}

svc_command_running() {
  if [ "$manager_3" = - ] || command_line svc_quiet "$manager_3"; then echo "$1"; fi
}

svc_command_stop() {
  command_line svc_do "$manager_1"
}

svc_command_start() {
  # What a helper container (helper.sh) has started ends with it.
  if [ -n "${RELAY_UID-}" ]; then
    why='a service that a command starts can not be started through Docker'
    return 1
  fi
  command_line svc_do "$manager_2"
}

svc_command_fit() {
  svc_command_running "$1"
}

svc_command_settle() { :; }
