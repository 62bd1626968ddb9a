# Which of some names are there.
# Arguments: DIRECTORY; the names are relative to it.
# stdin: the names, each ended by NUL. stdout: those that are there, each ended by NUL, then an empty one. In front of a
# name stands `denied ` when it may not be read or looked at, else `present `.
# include remote/lib/prelude.sh

cd -- "$1" || exit
# Runs as a program of its own, with the names as arguments.
# shellcheck disable=SC2016
xargs -0 -s 120000 sh -c 'for name do
  parent=./$name
  parent=${parent%/*}
  if [ -L "./$name" ]; then what=present
  elif [ -f "./$name" ] || [ -d "./$name" ]; then if [ -r "./$name" ]; then what=present; else what=denied; fi
  elif [ -e "./$name" ]; then what=present
  elif [ -d "$parent" ] && [ ! -x "$parent" ]; then what=denied
  else continue; fi
  printf "%s %s\0" "$what" "$name"
done' relay-backup && printf '\0'
