# Whether the lock of a deployment (remote/scripts/lock.sh) is held. Changes nothing.
# Arguments: DEPLOYMENT, absolute
# stdout: the record `held SINCE WHO` as lock.sh says it, else `free`
# include remote/lib/prelude.sh
# include remote/lib/lock.sh

# Where lock_place finds the lock, or would make it.
lock_home=$1/.relay-backup lock_end=
if { exists "$lock_home" && ! [ -w "$lock_home" ]; } || { ! exists "$lock_home" && ! [ -w "$1" ]; }; then
  lock_home=$HOME/.relay-backup
  lock_end=-$(printf '%s' "$1" | cksum | cut -d ' ' -f 1)
fi
lock=$lock_home/lock$lock_end
lock_read
if [ -n "$lock_holder" ]; then
  read -r since holder 2>/dev/null <"$lock-note"
  say held "${since:--}" "${holder:-process $lock_holder on the server}"
else
  say free
fi
