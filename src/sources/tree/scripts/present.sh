# Which of some names are there.
# Arguments: DIRECTORY; the names are relative to it.
# stdin: the names, each ended by NUL. stdout: those that are there, each ended by NUL, then an empty one.
# include remote/lib/prelude.sh

cd -- "$1" || exit
# Runs as a program of its own, with the names as arguments.
# shellcheck disable=SC2016
xargs -0 -s 120000 sh -c 'for name do
  if [ -e "./$name" ] || [ -L "./$name" ]; then printf "%s\0" "$name"; fi
done' relay-backup && printf '\0'
