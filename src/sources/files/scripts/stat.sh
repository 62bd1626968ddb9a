# Size and time of some names, to see whether they held still.
# Arguments: DIRECTORY; the names are relative to it.
# stdin: the names, each ended by NUL. stdout: `clock SECONDS`, of the server; then a record a name, in their order:
# `file SIZE SECONDS TIME`, SECONDS and TIME being when it was written to last, TIME with its fraction as `stat` shows it;
# or `gone`; last `end`.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

cd -- "$1" || exit
say clock "$(date +%s)"
# shellcheck disable=SC2016
xargs -0 -s 120000 sh -c 'for name do
  if [ -f "./$name" ]; then stat -L -c "file	%s	%Y	%y" -- "./$name" 2>/dev/null || echo gone; else echo gone; fi
done' relay-backup && echo end
