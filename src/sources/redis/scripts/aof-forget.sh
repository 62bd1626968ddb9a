# Removes what captures that died have left, once their settings are as they were.
# Arguments: DIRECTORY ID...; see `aof.sh`
# include remote/lib/prelude.sh

cd -- "$1/.relay-backup" || exit 1
shift
for id; do rm -rf -- "aof-$id" || exit 1; done
rmdir -- "$PWD" 2>/dev/null || :
