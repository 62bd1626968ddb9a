# Who asks a database, as the environment of a deployment says.
# Arguments: SCHEME DIRECTORY PREFIX...: of env_login.
# stdout: the user and the password, a line each. Exit status: 1 where that is not clear, with the reason on stderr.
# include remote/lib/prelude.sh
# include sources/database/lib/env.sh

env_login "$@" || exit 1
printf '%s\n%s\n' "$env_user" "$env_password"
