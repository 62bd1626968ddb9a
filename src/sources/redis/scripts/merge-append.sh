# Appends stdin to a journal; on the disk when this returns with 0.
# Arguments: FILE
# include remote/lib/prelude.sh

[ ! -L "$1" ] || exit 1
cat >>"$1" || exit 1
sync "$1" 2>/dev/null || sync
