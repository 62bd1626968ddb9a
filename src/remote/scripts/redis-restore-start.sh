# How a Redis starts: its command line, its unit, its config file. Changes nothing.
# Arguments: PID EXECUTABLE FILE...
#   PID and EXECUTABLE as the server's INFO says, empty when it does not run; FILE: config files to be read, also
#   with wildcards, as `include` takes them
# stdout: records of a name and a value, each ended by NUL. Of a config file only the lines that matter here are
# told: it may hold passwords.
# include lib/prelude.sh

tell() { printf '%s\0%s\0' "$1" "$2"; }

pid=$1 executable=$2
shift 2

binary=$(command -v redis-server || command -v valkey-server) || binary=$executable
if [ -n "$binary" ] && version=$("$binary" --version 2>/dev/null); then
  tell binary "$binary"
  tell binary-version "$version"
fi

# A number from inside a container is another process here, or none.
case $pid in '' | *[!0-9]*) pid= ;; esac
if [ -n "$pid" ]; then
  name=$(cat "/proc/$pid/comm" 2>/dev/null)
  case $name in
    *redis* | *valkey* | *keydb* | "$(printf %.15s "${executable##*/}")") tell process "$name" ;;
    *) pid= ;;
  esac
fi
if [ -n "$pid" ]; then
  # The point keeps the line breaks at the end.
  command_line=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null && echo .) && tell command-line "${command_line%.}"
  unit=$(sed -n '/user@/d; s|.*/\([^/]*\.service\)$|\1|p' "/proc/$pid/cgroup" 2>/dev/null | sed 1q)
  if [ -n "$unit" ] && exec_start=$(systemctl show -p ExecStart -- "$unit" 2>/dev/null); then
    tell unit "$unit"
    tell exec-start "$exec_start"
  fi
fi

for pattern; do
  found=
  # As an include's wildcards; without a match, or with spaces in it, the name itself.
  set -f
  case $pattern in
    *' '* | *"$(printf '\t')"*) set -- "$pattern" ;;
    *)
      set +f
      # shellcheck disable=SC2086
      set -- $pattern
      ;;
  esac
  set +f
  for file; do
    [ -r "$file" ] && [ -f "$file" ] || continue
    found=yes
    tell file "$file"
    tell text "$(grep -iE '^[[:space:]]*"?(include|dir|dbfilename|append[a-z]+|databases|aof-use-rdb-preamble)"?[[:space:]]' "$file")"
  done
  [ -n "$found" ] || tell unreadable "$pattern"
done
tell end yes
