# How the Redis of a container starts: its command line, and config files in it. Changes nothing.
# Arguments: CONTAINER FILE...
#   CONTAINER: its id; FILE: an absolute path in it
# stdout: records of a name and an encoded value (remote/scripts/lib/talk.sh), the last one `end`. Of a config file only the lines that matter here are
# told: it may hold passwords.
#   start JSON               path and arguments of its command line, and the directory where it starts
#   file NAME, text LINES    a config file
#   unreadable NAME          a config file that is not there, or is no file
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

container=$1
shift

told=$(docker inspect --type container --format \
  '{"path":{{json .Path}},"arguments":{{json .Args}},"directory":{{json .Config.WorkingDir}}}' -- "$container") || exit 1
tell start "$told"

for file; do
  # docker cp reads from a container in any state, needs no program of its image, and -L follows a link in there.
  if docker cp -L "$container:$file" - 2>/dev/null >/dev/null; then
    tell file "$file"
    tell text "$(docker cp -L "$container:$file" - 2>/dev/null | tar -x -O -f - 2>/dev/null |
      grep -iE '^[[:space:]]*"?(include|port|dir|dbfilename|append[a-z]+|databases|maxmemory|maxmemory-policy|aof-use-rdb-preamble)"?[[:space:]]')"
  else
    tell unreadable "$file"
  fi
done
say end
