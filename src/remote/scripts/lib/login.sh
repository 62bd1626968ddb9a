# Commands that are the user's own: what starts and stops his services, and Compose, whose files take values from the
# environment. They run as if he had typed them: `sh -c "$as_login" relay-backup COMMAND...` has the environment and the
# umask that the server gave this session. Everything else runs without (src/remote/scripts.ts).
# shellcheck disable=SC2016,SC2034
as_login='unset LC_ALL; eval "${RELAY_LOGIN-}"; unset RELAY_LOGIN; exec "$@"'
