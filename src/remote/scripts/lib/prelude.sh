# The first include of every script. What the environment holds was chosen before it began (src/remote/scripts.ts): no
# variable, function or alias of the server's login comes along. Tools speak English and sort by bytes, what we make is
# private to its owner, and a mistyped variable ends the script instead of meaning ''.
#
# SIGPIPE keeps its default: a tar whose reader is gone must end. A script that has something to undo includes
# remote/scripts/lib/lease.sh, which takes care of it.
LC_ALL=C
export LC_ALL
unset CDPATH
umask 077
set -u
