# What the first of some programs that is in an image says of its version.
# Arguments: IMAGE PROGRAM...; the image by its id
# stdout: what it says; nothing when the image has none of them.
# include remote/lib/prelude.sh

limit=
if timeout 9 true 2>/dev/null; then limit='timeout 60'; fi
program_image=$1
shift
for program_one; do
  $limit docker run --rm --pull never --log-driver none --label relay-backup.helper=1 --network none \
    --entrypoint "$program_one" "$program_image" --version </dev/null 2>/dev/null && break
done
exit 0
