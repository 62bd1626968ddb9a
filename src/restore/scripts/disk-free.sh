# How much room there is, and how much of it each path takes. Changes nothing.
# Arguments: PATH... A PATH that is not there takes nothing; its room is that of its nearest ancestor.
# stdout: a record a PATH: `room FREE USED`, in KiB; FREE for us on its file system, - where that is not known.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

for path; do
  used=0
  if [ -e "$path" ]; then
    used=$(du -sk -- "$path" 2>/dev/null | awk '{ print $1 }')
  fi
  near=$path
  while [ ! -e "$near" ] && [ "$near" != / ]; do
    near=${near%/*}
    [ -n "$near" ] || near=/
  done
  # A device's name may have spaces: count from the percentage.
  free=$(df -P -k -- "$near" 2>/dev/null |
    awk 'NR == 2 { for (n = NF; n > 1; n--) if ($n ~ /^[0-9]+%$/) { print $(n - 1); exit } }')
  say room "${free:--}" "${used:-0}"
done
