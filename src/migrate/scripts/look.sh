# What two servers are compared by before a deployment moves from one to the other. Changes nothing.
# Arguments: DEPLOYMENT PROGRAMS PATH...; the programs parted by commas
# stdout, fields parted by TAB:
#   machine BOOT                 of the running kernel; -
#   directory DEVICE:INODE       of the deployment; - when it is not there
#   listen PORT                  TCP, on whatever address
#   user UID NAME, group GID NAME
#                                of the server's own files of them
#   owner UID GID                of one of the paths, or of something directly in it
#   empty PATH                   a path that is a directory with nothing in it; encoded
#   program NAME TEXT            what one of the programs, installed there, says of its version
#   end
# include remote/lib/prelude.sh
# include remote/lib/lock.sh

look_names() {
  sed -n "s/^\([^:]*\):[^:]*:\([0-9][0-9]*\):.*/$1$tab\2$tab\1/p" "$2" 2>/dev/null | head -n 5000
}

cd /
deployment=$1 look_programs=$2
shift 2
say machine "$(boot_id)"
look_inode=$(stat -L -c %d:%i -- "$deployment" 2>/dev/null)
say directory "${look_inode:--}"
for look_file in /proc/net/tcp /proc/net/tcp6; do
  # State 0A is listening; the port is behind the last colon of the local address, in hexadecimal.
  [ ! -r "$look_file" ] || awk '$4 == "0A" { sub(/.*:/, "", $2); print $2 }' "$look_file"
done | sort -u | while IFS= read -r look_port; do say listen $((0x$look_port)); done
look_names user /etc/passwd
look_names group /etc/group
for look_path; do
  for look_one in "$look_path" "$look_path"/* "$look_path"/.[!.]*; do
    stat -c "owner$tab%u$tab%g" -- "$look_one" 2>/dev/null
  done
done | sort -u
for look_path; do
  [ -d "$look_path" ] && [ ! -L "$look_path" ] && look_entries=$(ls -A -- "$look_path" 2>/dev/null) || continue
  [ -n "$look_entries" ] || say empty "$(encode "$look_path")"
done
for look_program in $(printf '%s' "$look_programs" | tr , ' '); do
  command -v "$look_program" >/dev/null && look_said=$("$look_program" --version 2>/dev/null) &&
    plain "$look_said" && say program "$look_program" "$plain"
done
say end
