# Says where a helper container's command (helper.sh) is.
# stdout: one line, `UID NAMESPACE`: the mount namespace's name.
# include remote/lib/prelude.sh

printf '%s %s\n' "$(id -u)" "$(readlink /proc/self/ns/mnt)"
