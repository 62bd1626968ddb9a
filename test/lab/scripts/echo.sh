# Says its arguments, then what is on stdin; words on stderr; exits with the status in $1.
status=$1
shift
for word; do printf '<%s>' "$word"; done
cat
echo 'on stderr' >&2
exit "$status"
