# Which of the clients are there, and their versions.
# Arguments: CONTAINER
#   CONTAINER: `-` for none.
# stdout: a line each, PROGRAM, a tab, and the first line of what it says to --version.
# include remote/lib/prelude.sh

# Under its old name a client of MariaDB also says, on stderr, that the name is old.
# shellcheck disable=SC2016
clients='
for program in mariadb mysql mariadb-dump mysqldump; do
  said=$("$program" --no-defaults --version 2>/dev/null) || continue
  printf "%s\t%s\n" "$program" "$(printf "%s\n" "$said" | head -n 1)"
done
exit 0
'
if [ "$1" = - ]; then
  sh -c "$clients"
else
  docker exec -i -- "$1" sh -c "$clients"
fi
