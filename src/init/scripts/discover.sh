# What is on a server that somebody wants to back up. Changes nothing, reads no content but the first 16 bytes of files whose
# names were asked for, and takes about so many seconds at most.
# Arguments: SECONDS DIRECTORY WORD…
#   DIRECTORY                    the app's, as it is or with ~/; `-`: it is asked where one may be
#   program NAME                 does it run here, outside of containers?
#   file GLOB BEGIN              files of this name in DIRECTORY; with BEGIN (`-`: any) those that begin so
#   size PATH                    how big is it?
# stdout: records (remote/scripts/lib/talk.sh)
#   app DIRECTORY                with `-`: a Compose file lies there
#   unit NAME DIRECTORY          with `-`: a service of systemd that runs, and the directory it works in
#   program NAME DIRECTORY ADDRESS
#   real DIRECTORY               where it is, symlinks resolved
#   entry NAME d|f|o KIB         what lies in DIRECTORY
#   file PATH KIB BEGIN          BEGIN as it was asked for
#   size PATH KIB
#   cut WHAT                     there are more of these than are told
#   end yes
# What can't be told, or not in time, is `-`.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

deadline=$(($(date +%s) + $1))
directory=$2
shift 2

# left: the seconds that are left, at least one, in $left.
left() {
  left=$((deadline - $(date +%s)))
  [ "$left" -ge 1 ] || left=1
}

# Whether time can be bounded at all; old busyboxes have another timeout.
bound=
if timeout 5 true 2>/dev/null; then bound=yes; fi

# within COMMAND…: runs it for as long as time is left.
within() {
  if [ -n "$bound" ]; then
    left
    timeout "$left" "$@" </dev/null 2>/dev/null
  else
    "$@" </dev/null 2>/dev/null
  fi
}

# kib PATH: its size, in $kib; empty when it can't be told. A part that can't be read is not in it.
kib() {
  kib=
  [ "$(date +%s)" -lt "$deadline" ] || return 0
  kib=$(within du -skx -- "$1" | head -n 1)
  kib=${kib%%[!0-9]*}
}

# in_container PID: whether a process is in a PID namespace below ours.
in_container() {
  while read -r key first rest; do
    if [ "$key" = NSpid: ]; then
      [ -n "$rest" ]
      return
    fi
  done </proc/"$1"/status
  return 1
} 2>/dev/null

# address_of PID: the first word of its command line that is host:port. What else stands there may be secret.
address_of() {
  tr '\000 ' '\n\n' </proc/"$1"/cmdline 2>/dev/null | grep -E -m 1 '^(\*|[0-9.]+|\[[0-9a-f:]+\]):[0-9]+$'
}

# find_programs NAME: those that run under this name.
find_programs() {
  for status in /proc/[0-9]*/comm; do
    { read -r comm <"$status"; } 2>/dev/null || continue
    [ "$comm" = "$1" ] || continue
    pid=${status#/proc/}
    pid=${pid%/comm}
    in_container "$pid" && continue
    tell program "$1" "$(readlink "/proc/$pid/cwd" 2>/dev/null)" "$(address_of "$pid")"
  done
}

# find_files GLOB BEGIN: in DIRECTORY, but not in what others put there.
find_files() {
  within find . -xdev -maxdepth 6 \( -name node_modules -o -name .git -o -name .relay-backup \) -prune -o \
    -type f -name "$1" -print | head -n 101 | {
    count=0
    while IFS= read -r path; do
      count=$((count + 1))
      if [ "$count" -gt 100 ]; then
        tell cut files
        break
      fi
      if [ "$2" != - ]; then
        begin=$(head -c 16 -- "$path" 2>/dev/null | tr -cd ' -~')
        case $begin in "$2"*) ;; *) continue ;; esac
      fi
      kib "$path"
      tell file "$PWD/${path#./}" "$kib" "$2"
    done
  }
}

find_apps() {
  for root in "${HOME:-/root}" /srv /opt /var/www; do
    [ -d "$root" ] || continue
    within find "$root" -xdev -maxdepth 3 \( -name node_modules -o -name '.[!.]*' \) -prune -o -type f \
      \( -name compose.yaml -o -name compose.yml -o -name docker-compose.yaml -o -name docker-compose.yml \) -print
  done | head -n 50 | while IFS= read -r path; do
    (cd -P -- "${path%/*}" 2>/dev/null && tell app "$PWD")
  done
  command -v systemctl >/dev/null 2>&1 || return 0
  within systemctl list-units --type=service --state=running --plain --no-legend | head -n 200 |
    while read -r unit _; do
      place=$(within systemctl show -p WorkingDirectory -- "$unit")
      place=${place#WorkingDirectory=}
      case ${place#!} in /?*) tell unit "$unit" "${place#!}" ;; esac
    done
}

if [ "$directory" = - ]; then
  find_apps
else
  case $directory in
    '~') directory=$HOME ;;
    '~/'*) directory=$HOME/${directory#??} ;;
  esac
  cd -P -- "$directory" 2>/dev/null || exit 3
  tell real "$PWD"
  count=0
  for entry in * .[!.]*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    count=$((count + 1))
    if [ "$count" -gt 200 ]; then
      tell cut entries
      break
    fi
    kind=o
    kib=
    if [ -d "$entry" ] && [ ! -L "$entry" ]; then
      kind=d
    elif [ -f "$entry" ]; then
      kind=f
    fi
    # Big, and nobody's data.
    case $entry in .git | node_modules | .relay-backup) ;; *) kib "./$entry" ;; esac
    tell entry "$entry" "$kind" "$kib"
  done
fi

while [ $# -gt 0 ]; do
  case $1 in
    program)
      find_programs "$2"
      shift 2
      ;;
    file)
      [ "$directory" = - ] || find_files "$2" "$3"
      shift 3
      ;;
    size)
      kib "$2"
      tell size "$2" "$kib"
      shift 2
      ;;
    *) exit 2 ;;
  esac
done
tell end yes
