# Changes the file $1 and puts it back.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
undo() {
  [ -n "$changed" ] || return 0
  printf '%s\n' "$before" >"$file"
  echo undone
}
work() {
  changed=
  file=$1
  lease_next
  before=$(cat "$file")
  changed=yes
  printf '%s\n' "$line" >"$file"
  echo changed
  while lease_next; do
    case $line in busy) lease_sleep 3600 ;; *) echo "heard $line" ;; esac
  done
}
lease_run work undo "$@"
