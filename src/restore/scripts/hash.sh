# The SHA-256 of files below a directory.
# Arguments: DIRECTORY
# stdin: names relative to it, each ended by NUL. stdout: a line a name, in the same order: 64 hex digits, `missing`,
# `other` (no regular file) or `unreadable`.
# Many files a process: the tools print one line a file that begins with the hash, unless a name has a line break, or a
# backslash, which sha256sum escapes. Those few are hashed from stdin. openssl is asked first: it uses the processor's
# own SHA, which most of the sha256sum that are about do not, and takes a quarter of their time.
# include remote/lib/prelude.sh

# hash_script FEWER NAME...: when one of the names is not plain, or one can't be read, they go again in batches of
# FEWER, and then one by one.
hash_script='
hash_one() {
  hashed=$(sha256sum <"$1" 2>/dev/null) && [ -n "$hashed" ] || hashed=unreadable
  printf "%s\n" "${hashed%% *}"
}
newline="
"
carriage=$(printf "\r")
fewer=$1
shift
plain=yes
for name; do
  case $name in
    -* | *\\* | *"$newline"* | *"$carriage"*) plain=no ;;
  esac
  [ -f "./$name" ] && [ ! -L "./$name" ] || plain=no
done
if [ "$plain" = yes ] && [ $# -gt 0 ]; then
  if hashes=$(openssl dgst -sha256 -r "$@" 2>/dev/null) || hashes=$(sha256sum "$@" 2>/dev/null); then
    printf "%s\n" "$hashes" | cut -c 1-64
    exit 0
  fi
fi
if [ $# -gt "$fewer" ]; then
  printf "%s\0" "$@" | xargs -0 -n "$fewer" sh -c "$hash_script" sh "$fewer"
  exit
fi
for name; do
  if [ -L "./$name" ]; then echo other
  elif [ -f "./$name" ]; then hash_one "./$name"
  elif [ -e "./$name" ]; then echo other
  else echo missing
  fi
done
'
export hash_script

cd -P -- "$1" || exit 1
command -v sha256sum >/dev/null || {
  echo 'sha256sum is not there' >&2
  exit 127
}
xargs -0 -n 2000 sh -c "$hash_script" sh 64
