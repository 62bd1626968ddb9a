# Waits until its stdin ends.
# include lib/prelude.sh
exec cat >/dev/null
