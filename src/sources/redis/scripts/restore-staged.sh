# What was unpacked for a Redis: the names in its directory, and its AOF.
# Arguments: DIRECTORY
# stdout: records of a name and an encoded value (remote/scripts/lib/talk.sh), the last one `end`:
#   file, directory, other   a name in it; other is anything else, also a symlink
#   manifest NAME, text TEXT a manifest one directory below
#   part NAME                a regular file beside a manifest
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

# $kind of what is there.
kind_of() {
  if [ -L "$1" ]; then kind=other
  elif [ -d "$1" ]; then kind=directory
  elif [ -f "$1" ]; then kind=file
  elif [ -e "$1" ]; then kind=other
  else kind=
  fi
}

cd -P -- "$1" || exit 1
for name in * .[!.]* ..?*; do
  kind_of "$name"
  [ -n "$kind" ] || continue
  tell "$kind" "$name"
  [ "$kind" = directory ] || continue
  manifests=
  for manifest in "$name"/*.manifest; do
    kind_of "$manifest"
    [ "$kind" = file ] || continue
    manifests=yes
    tell manifest "$manifest"
    # A manifest names a handful of files.
    tell text "$(head -c 1048576 "$manifest")"
  done
  [ -n "$manifests" ] || continue
  for part in "$name"/*; do
    kind_of "$part"
    [ "$kind" != file ] || tell part "$part"
  done
done
say end
