# The version of the redis-server in an image.
# Arguments: IMAGE, its id
# stdout: what it says of its version; nothing when it has no redis-server.
# include remote/lib/prelude.sh

limit=
if timeout 9 true 2>/dev/null; then limit='timeout 60'; fi
$limit docker run --rm --pull never --log-driver none --label relay-backup.helper=1 --network none \
  --entrypoint redis-server "$1" --version </dev/null 2>/dev/null || :
