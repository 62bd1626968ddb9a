# include lib/prelude.sh

# One round trip: what is there on this server. Answers lines `key=value`; a value never holds a line break.
# $1: the deployment as configured (`~/…` means the home); the others: names below it to look for.

say() {
  # tr: nothing of the server's may look like a line of ours.
  printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\r\t' '   ')"
}

first_line() {
  "$@" 2>&1 </dev/null | head -n 1
}

# version TOOL COMMAND…: says TOOL's first line, when the tool is there.
version() {
  if command -v "$1" >/dev/null 2>&1; then
    tool=$1
    shift
    say "version.$tool" "$(first_line "$@")"
  fi
}

deployment=$1
shift
case $deployment in
  '~') deployment=$HOME ;;
  '~/'*) deployment=$HOME/${deployment#'~/'} ;;
  /*) ;;
  *) deployment=$HOME/$deployment ;;
esac

os=
if [ -r /etc/os-release ]; then
  os=$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME-}")
fi
say os "${os:-$(uname -s)}"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say uid "$(id -u)"
say user "$(id -un 2>/dev/null)"
say groups "$(id -Gn 2>/dev/null)"
say home "$HOME"
say cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo 2>/dev/null)"

version tar tar --version
version zstd zstd --version
version gzip gzip --version
version pigz pigz --version
version find find --version
version sha256sum sha256sum --version
version nice nice true
version ionice ionice true
version redis-cli redis-cli --version
version docker docker --version

# GNU find has -printf; busybox find says that it does not know it.
if find / -maxdepth 0 -printf '' >/dev/null 2>&1; then say find-printf yes; fi

if cd "$deployment" 2>/dev/null; then
  say deployment "$(pwd -P)"
  if [ -w . ]; then say writable yes; fi
  # The fourth column from the end: a long device name may have its own line.
  say free-kib "$(df -Pk . 2>/dev/null | awk 'END { print $(NF - 2) }')"
  for name; do
    if [ -e "$name" ] || [ -L "$name" ]; then say exists "$name"; fi
  done
  for journal in .relay-backup/restore-*/journal; do
    [ -e "$journal" ] || continue
    # lib/restore-journal.sh: a journal is settled when it was closed and not reopened since.
    case $(grep -E '^(closed|reopened)' "$journal" 2>/dev/null | tail -n 1) in
      closed*) continue ;;
    esac
    journal=${journal#.relay-backup/restore-}
    say journal "${journal%/journal}"
  done
fi
say done yes
