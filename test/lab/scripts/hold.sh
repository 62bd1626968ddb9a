# Says its pid, then waits until stdin ends.
echo $$
cat >/dev/null
