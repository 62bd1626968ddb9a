# Whether Compose here can read a project's files before they are put in place. Changes nothing.
# Arguments: PROJECT ARGUMENT...
#   ARGUMENT  of Compose itself, that leads to the files as they are staged
# stdout: `tool NAME`, then what that says where it can't read them.
# Exit status: 0; 3 when it can't read them; 4 when there is no Compose.
# include lib/prelude.sh
# include lib/services-manager.sh

manager=compose manager_1=$1 newline='
'
shift
svc_prepare
compose_tool || exit 4
printf 'tool\t%s\n' "$compose_tool"
# shellcheck disable=SC2086
(svc_job 60 sh -c "$as_login" relay-backup $compose_tool "$@" config --quiet) 2>&1 || exit 3
