# How a Redis starts: its command line, its unit, its config file. Changes nothing.
# Arguments: PID EXECUTABLE UNITS FILE...
#   PID and EXECUTABLE as the server's INFO says, empty when it does not run; UNITS of systemd that may start it, a space
#   behind each; FILE: config files to be read, also with wildcards, as `include` takes them
# stdout: records of a name and an encoded value (remote/scripts/lib/talk.sh), the last one `end`. Of a config file only the lines that matter here are
# told: it may hold passwords.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

pid=$1 executable=$2 units=$3
shift 3

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
  # What it takes to tell when it was started: ticks since the boot, how many a second has, seconds since then, and now.
  tell ticks "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)"
  tell ticks-per-second "$(getconf CLK_TCK 2>/dev/null || echo 100)"
  tell uptime "$(cut -d ' ' -f 1 /proc/uptime)"
  tell clock "$(date +%s.%N)"
  unit=$(sed -n '/user@/d; s|.*/\([^/]*\.service\)$|\1|p' "/proc/$pid/cgroup" 2>/dev/null | sed 1q)
  if [ -n "$unit" ] && exec_start=$(systemctl show -p ExecStart -- "$unit" 2>/dev/null); then
    tell unit "$unit"
    tell exec-start "$exec_start"
  fi
fi
set -f
for unit in $units; do
  if exec_start=$(systemctl show -p ExecStart -- "$unit" 2>/dev/null); then tell unit-exec-start "$exec_start"; fi
done
set +f

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
    # Busybox has whole seconds.
    tell changed "$(stat -c %.Z "$file" 2>/dev/null || stat -c %Z "$file")"
    tell text "$(grep -iE '^[[:space:]]*"?(include|port|tls-port|unixsocket|dir|dbfilename|append[a-z]+|databases|maxmemory|maxmemory-policy|aof-use-rdb-preamble)"?[[:space:]]' "$file")"
  done
  [ -n "$found" ] || tell unreadable "$pattern"
done
say end
