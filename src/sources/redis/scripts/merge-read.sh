# A journal on stdout; nothing when there is none.
# Arguments: FILE
# include remote/lib/prelude.sh

[ -e "$1" ] || exit 0
cat -- "$1"
