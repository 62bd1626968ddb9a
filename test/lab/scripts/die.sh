# Ends by the signal in $1.
echo out
kill -s "$1" $$
sleep 5
