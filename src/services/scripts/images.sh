# Which of some images Docker has here. Changes nothing.
# Arguments: NAME...
# stdout, fields parted by TAB: `image ID NAME`, or `missing NAME`; `end` when all were asked about.
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

images_time=
if timeout -k 5 5 true 2>/dev/null; then images_time='timeout -k 5 60'; fi
for images_name; do
  if images_id=$($images_time docker image inspect --format '{{.Id}}' -- "$images_name" 2>/dev/null); then
    say image "$images_id" "$images_name"
  else
    say missing "$images_name"
  fi
done
say end
