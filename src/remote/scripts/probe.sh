# What this server has and what the deployment looks like. Changes nothing; needs no tool but sh.
# Arguments: DEPLOYMENT NAME…
#   DEPLOYMENT absolute, or ~/… for a place below the home; NAMEs are looked for under it, or where they are absolute
# stdout: records KEY VALUE (remote/scripts/lib/talk.sh), the last one `end`.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

has() {
  command -v "$1" >/dev/null 2>&1
}

# first_line COMMAND…: some print their version on stderr, some fail when asked
first_line() {
  "$@" </dev/null 2>&1 | {
    IFS= read -r first || :
    printf '%s' "$first"
  }
}

version() {
  if has "$1"; then tell "version.$1" "$(first_line "$@")"; fi
}

os=
if [ -r /etc/os-release ]; then
  os=$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-${NAME:-}}")
fi
[ -n "$os" ] || os=$(uname -s 2>/dev/null)
tell os "$os"
tell kernel "$(uname -sr 2>/dev/null)"
tell arch "$(uname -m 2>/dev/null)"
tell uid "$(id -u 2>/dev/null)"
tell user "$(id -un 2>/dev/null || printf '%s' "${USER:-}")"
tell home "${HOME:-}"
cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null) || cpus=
if [ -z "$cpus" ] && [ -r /proc/cpuinfo ]; then
  cpus=0
  while read -r word _; do
    [ "$word" != processor ] || cpus=$((cpus + 1))
  done </proc/cpuinfo
fi
tell cpus "$cpus"
for group in $(id -Gn 2>/dev/null); do tell group "$group"; done

version tar --version
version zstd --version
version gzip --version
version pigz --version
version find --version
version sha256sum --version
version nice --version
version ionice --version
version docker --version
if [ -n "$(find / -prune -printf x 2>/dev/null)" ] && find / -prune -print0 >/dev/null 2>&1; then
  tell find-printf yes
fi

case $1 in
  '~') deployment=${HOME:-} ;;
  '~/'*) deployment=${HOME:-}/${1#'~/'} ;;
  *) deployment=$1 ;;
esac
shift
if cd -P -- "$deployment" 2>/dev/null; then
  # The dot keeps newlines at the end of a name.
  deployment=$(pwd; printf .)
  deployment=${deployment%"$newline".}
  tell deployment "$deployment"
  if [ -w . ]; then tell writable yes; fi
  # The second line; a long device name makes it two (without -P).
  free=$(df -Pk . 2>/dev/null | {
    read -r _
    read -r _ _ _ available _
    printf '%s' "${available:-}"
  })
  tell free-kib "$free"
  for name; do
    case $name in /*) found=$name ;; *) found=./$name ;; esac
    if [ -e "$found" ] || [ -L "$found" ]; then tell exists "$name"; fi
  done
  for journal in .relay-backup/restore-*/journal; do
    [ -e "$journal" ] || continue
    # restore/scripts/lib/journal.sh: it is settled when it was closed and not reopened since.
    case $(grep -E '^(closed|reopened)' "$journal" 2>/dev/null | tail -n 1) in
      closed*) continue ;;
    esac
    journal=${journal%/journal}
    tell journal "${journal#.relay-backup/restore-}"
  done
  for quiesced in .relay-backup/hold-*; do
    [ ! -d "$quiesced" ] || tell quiesced "${quiesced#.relay-backup/hold-}"
  done
fi
tell end yes
