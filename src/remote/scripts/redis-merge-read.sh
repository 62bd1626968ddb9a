# A journal on stdout; nothing when there is none.
# Arguments: FILE
# include lib/prelude.sh

[ -e "$1" ] || exit 0
cat -- "$1"
