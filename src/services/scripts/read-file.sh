# A file that Compose reads. Changes nothing.
# Arguments: PATH
# stdout: what is in it, at most a MiB.
# Exit status: 0; 3 when there is no such file; 4 when it can't be read.
# include remote/lib/prelude.sh

cd /
[ -f "$1" ] || exit 3
[ -r "$1" ] || exit 4
exec head -c 1048576 -- "$1"
