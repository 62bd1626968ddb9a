# Says its pid, and then without end that it lives, here and in the file $1.
echo $$
while :; do
  echo alive
  echo alive >>"$1"
  sleep 0.2
done
