# 200 kB on stderr, a status line last.
i=0
while [ $i -lt 4000 ]; do
  echo "line $i ......................................" >&2
  i=$((i + 1))
done
echo 'status: the end' >&2
