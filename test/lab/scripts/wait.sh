# Waits until its stdin ends.
# include remote/lib/prelude.sh
exec cat >/dev/null
