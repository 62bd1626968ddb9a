# How the Redis of a container starts: its command line, and config files in it. Changes nothing.
# Arguments: CONTAINER FILE...
#   CONTAINER: its id; FILE: an absolute path in it
# stdout: records of a name and a value, each ended by NUL. Of a config file only the lines that matter here are
# told: it may hold passwords.
#   word TEXT                of its command line, one each
#   directory PATH           where it starts
#   file NAME, text LINES    a config file
#   unreadable NAME          one that is not there, or no file
# include remote/lib/prelude.sh

tell() { printf '%s\0%s\0' "$1" "$2"; }

container=$1
shift

# The line break that docker adds becomes the value of the last record.
docker inspect --type container --format \
  '{{printf "word\x00%s\x00" .Path}}{{range .Args}}{{printf "word\x00%s\x00" .}}{{end}}{{printf "directory\x00%s\x00words\x00" .Config.WorkingDir}}' \
  -- "$container" || exit 1
printf '\0'

for file; do
  # Of a container in whatever state, whatever is or is not in its image; a link is followed there.
  if docker cp -L "$container:$file" - 2>/dev/null >/dev/null; then
    tell file "$file"
    tell text "$(docker cp -L "$container:$file" - 2>/dev/null | tar -x -O -f - 2>/dev/null |
      grep -iE '^[[:space:]]*"?(include|port|dir|dbfilename|append[a-z]+|databases|maxmemory|maxmemory-policy|aof-use-rdb-preamble)"?[[:space:]]')"
  else
    tell unreadable "$file"
  fi
done
tell end yes
