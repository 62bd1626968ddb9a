# The SHA-256 of files below a directory.
# Arguments: DIRECTORY
# stdin: names relative to it, each ended by NUL. stdout: a line a name, in the same order: 64 hex digits, `missing`,
# `other` (no regular file) or `unreadable`.
# Many files a process: sha256sum prints one line a file, unless a name has a line break (busybox) or a backslash,
# which it escapes (GNU). Those few are hashed from stdin.
# include lib/prelude.sh

hash_script='
hash_one() {
  hashed=$(sha256sum <"$1" 2>/dev/null) && [ -n "$hashed" ] || hashed=unreadable
  printf "%s\n" "${hashed%% *}"
}
newline="
"
carriage=$(printf "\r")
plain=yes
for name; do
  case $name in
    *\\* | *"$newline"* | *"$carriage"*) plain=no ;;
  esac
  [ -f "./$name" ] && [ ! -L "./$name" ] && [ -r "./$name" ] || plain=no
done
if [ "$plain" = yes ] && [ $# -gt 0 ]; then
  for name; do
    shift
    set -- "$@" "./$name"
  done
  if hashes=$(sha256sum -- "$@" 2>/dev/null); then
    printf "%s\n" "$hashes" | cut -c 1-64
    exit 0
  fi
  # One of them could not be read to its end.
  for name; do hash_one "$name"; done
  exit 0
fi
for name; do
  if [ -L "./$name" ]; then echo other
  elif [ -f "./$name" ]; then hash_one "./$name"
  elif [ -e "./$name" ]; then echo other
  else echo missing
  fi
done
'

cd -P -- "$1" || exit 1
command -v sha256sum >/dev/null || {
  echo 'sha256sum is not there' >&2
  exit 127
}
# A batch with one odd name is hashed file by file, so batches are small.
xargs -0 -n 128 sh -c "$hash_script" sh
