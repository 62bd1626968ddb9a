# What time it is on this server, what of ours lies in a deployment, and which units systemd knows. Changes nothing.
# Arguments: DEPLOYMENT UNIT…
# stdout: records `time SECONDS`, `disk LINE` (of df -Pk), `kept NAME KIB`, `left PATH` (a private directory of a dead
# process), `unit NAME LOADSTATE` (remote/scripts/lib/talk.sh), the last one `end`.
# include remote/lib/prelude.sh
# include remote/lib/private.sh

tell time "$(date +%s)"
if cd -P -- "$1" 2>/dev/null; then
  disk=$(df -Pk . 2>/dev/null) || :
  tell disk "${disk##*"$newline"}"
  for entry in .relay-backup/*; do
    [ -e "$entry" ] || continue
    size=$(du -sk "$entry" 2>/dev/null) || :
    tell kept "${entry#.relay-backup/}" "${size%%[!0-9]*}"
  done
fi
{
  private_left "$PWD/.relay-backup"
  [ "$PWD" = "${HOME:-}" ] || private_left "${HOME:-}/.relay-backup"
} | while IFS= read -r entry; do tell left "$entry"; done
shift
for unit; do
  state=$(systemctl show -p LoadState -- "$unit" 2>/dev/null) || state=
  tell unit "$unit" "${state#LoadState=}"
done
tell end yes
