# Digs the holes of sparse files again: they were unpacked as zeros.
# Arguments: DIRECTORY
# stdin: names relative to it, each ended by NUL. stdout: `dug N`, how many files were treated. A file that can't be
# is left as it is: it is the same, only larger on the disk.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

dig_script='
reference=$1
shift
for name; do
  [ -f "./$name" ] && [ ! -L "./$name" ] || continue
  # Digging sets the time, and takes setuid from a file that is not root'"'"'s.
  touch -r "./$name" -- "$reference"
  mode=$(stat -c %a -- "./$name")
  fallocate -d -- "./$name" 2>/dev/null && printf .
  [ "$(stat -c %a -- "./$name")" = "$mode" ] || chmod -- "$mode" "./$name"
  touch -r "$reference" -- "./$name"
done
'

cd -P -- "$1" || exit 1
reference=$(mktemp) || exit 1
trap 'rm -f -- "$reference"' EXIT
dug=$(xargs -0 -n 64 sh -c "$dig_script" sh "$reference")
say dug "${#dug}"
