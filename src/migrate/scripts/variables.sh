# What variables are in the environment that Compose is started in, to be compared between two servers. No value is shown.
# Changes nothing.
# Arguments: NAME...  letters, digits and _
# stdout, fields parted by TAB:
#   variable NAME SUM            the SHA-256 of its value, or - where it is not set
#   end
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include remote/lib/login.sh

# shellcheck disable=SC2016
variables_say='for name; do
  if eval "[ \"\${$name+set}\" ]"; then
    sum=$(eval "printf %s \"\$$name\"" | sha256sum | cut -d " " -f 1)
  else
    sum=-
  fi
  printf "variable\t%s\t%s\n" "$name" "$sum"
done'
sh -c "$as_login" relay-backup sh -c "$variables_say" relay-backup "$@" || exit
say end
