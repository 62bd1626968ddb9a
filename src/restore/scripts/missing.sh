# What of a staged tree is not there on the target, for a restore that only adds.
# Arguments: STAGED TARGET
# stdout, each ended by NUL: `m` and a name relative to both that TARGET lacks (what is below such a name is told,
# too, and comes behind it); `c` and a name that is a directory on one side and something else on the other.
# `m` alone: TARGET itself is not there.
# include remote/lib/prelude.sh

staged=$1
target=$2
if [ ! -e "$target" ] && [ ! -L "$target" ]; then
  printf 'm\0'
  exit 0
fi
if [ ! -d "$staged" ]; then
  if [ -d "$target" ]; then printf 'c\0'; fi
  exit 0
fi
if [ ! -d "$target" ]; then
  printf 'c\0'
  exit 0
fi
cd "$staged" || exit 1
TARGET=$target
export TARGET
# One shell for many names; a name never becomes part of the script.
find . -mindepth 1 -exec sh -c '
  for name; do
    name=${name#./}
    there=$TARGET/$name
    if [ ! -e "$there" ] && [ ! -L "$there" ]; then
      printf "m%s\0" "$name"
    elif [ -d "$name" ] && [ ! -L "$name" ]; then
      [ -d "$there" ] || printf "c%s\0" "$name"
    elif [ -d "$there" ] && [ ! -L "$there" ]; then
      printf "c%s\0" "$name"
    fi
  done
' sh {} +
