# What lies at some paths, to be compared between two servers. Changes nothing.
# Arguments: PATH...
# stdout, fields parted by TAB:
#   path N TYPE SUM REAL         of the N-th: file, directory, other or absent; the SHA-256 of a file of at most a MiB, or
#                                -; where it is behind all symlinks, encoded
#   end
# include remote/lib/prelude.sh
# include restore/lib/base.sh

cd /
paths_n=0
for paths_one; do
  paths_n=$((paths_n + 1)) paths_sum=-
  paths_real=$(readlink -f -- "$paths_one" 2>/dev/null) || paths_real=
  if [ -f "$paths_one" ]; then
    paths_type=file
    paths_size=$(stat -L -c %s -- "$paths_one" 2>/dev/null) || paths_size=
    if [ -r "$paths_one" ] && [ "${paths_size:-9999999}" -le 1048576 ]; then
      paths_sum=$(sha256sum <"$paths_one" 2>/dev/null | cut -d ' ' -f 1)
    fi
  elif [ -d "$paths_one" ]; then
    paths_type=directory
  elif exists "$paths_one"; then
    paths_type=other
  else
    paths_type=absent
  fi
  say path "$paths_n" "$paths_type" "${paths_sum:--}" "$(encode "${paths_real:-$paths_one}")"
done
say end
