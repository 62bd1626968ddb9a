# Services that are stopped, started and looked at by one command line of sh each: `services command STOP START
# STATUS`, STATUS being - where there is none. They are one service, named `command`.
# include remote/lib/login.sh

svc_command_running() {
  if [ "$manager_3" = - ] || svc_quiet sh -c "$as_login" relay-backup sh -c "$manager_3"; then echo "$1"; fi
}

svc_command_stop() {
  svc_do sh -c "$as_login" relay-backup sh -c "$manager_1"
}

svc_command_start() {
  # What a helper container (helper.sh) has started ends with it.
  if [ -n "${RELAY_UID-}" ]; then
    why='a service that a command starts can not be started through Docker'
    return 1
  fi
  svc_do sh -c "$as_login" relay-backup sh -c "$manager_2"
}

svc_command_fit() {
  svc_command_running "$1"
}

svc_command_settle() { :; }
