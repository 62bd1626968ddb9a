# What Compose here says of a project's files, as they are or where they are staged. Changes nothing.
# Arguments: PROJECT, then those of check_compose (restore/scripts/lib/compose-read.sh)
# stdout and the exit status are as it says.
# include remote/lib/prelude.sh
# include restore/lib/compose-read.sh

check_ask() { check_said=$( (svc_job 60 "$@") 2>&1); }

manager=compose manager_1=$1
shift
check_compose "$@"
