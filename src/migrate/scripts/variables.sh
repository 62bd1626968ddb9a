# What variables are in the environment that Compose is started in, to be compared between two servers. No value is shown.
# Changes nothing.
# Arguments: NAME...  letters, digits and _
# stdout, fields parted by TAB:
#   variable NAME SUM            the SHA-256 of its value, or - where it is not set
#   end
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include remote/lib/login.sh

# awk has the environment itself: a shell has variables besides (bash: UID, HOSTNAME) that no command gets.
# shellcheck disable=SC2016
variables_say='for relay_backup_name; do
  relay_backup_sum=-
  if awk "BEGIN { exit !(ARGV[1] in ENVIRON) }" "$relay_backup_name"; then
    relay_backup_sum=$(awk "BEGIN { printf \"%s\", ENVIRON[ARGV[1]] }" "$relay_backup_name" | sha256sum | cut -d " " -f 1)
  fi
  printf "variable\t%s\t%s\n" "$relay_backup_name" "$relay_backup_sum"
done'
sh -c "$as_login" relay-backup sh -c "$variables_say" relay-backup "$@" || exit
say end
