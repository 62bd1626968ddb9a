# Who uses a path: processes with their root, directory, program or an open or mapped file in it, and those that
# see it through a mount of their own (containers). Without root, only one's own processes can be looked into.
# include lib/restore-base.sh

# Both print the numbers of the targets that one process uses. The first gets its links from `ls -l`.
users_links='
  BEGIN { count = split(ENVIRON["users_targets"], target, "\n") - 1 }
  { at = index($0, " -> ") }
  at {
    to = substr($0, at + 4)
    sub(/ \(deleted\)$/, "", to)
    for (n = 1; n <= count; n++)
      if (to == target[n] || index(to, target[n] "/") == 1) found[n] = 1
  }
  END { for (n in found) print n }'
# The second reads its mountinfo. A mount of the path, of something in it, or of a directory that it is in; the root of a file
# system is everybody's.
users_mounts='
  BEGIN {
    count = split(ENVIRON["users_devices"], device, "\n") - 1
    split(ENVIRON["users_insides"], inside, "\n")
  }
  $4 != "/" {
    for (n = 1; n <= count; n++)
      if ($3 == device[n] && (index($4 "/", inside[n] "/") == 1 || index(inside[n] "/", $4 "/") == 1)) found[n] = 1
  }
  END { for (n in found) print n }'

users_scan() {
  users_number=0
  users_rest=$users_targets
  while [ -n "$users_rest" ]; do
    users_number=$((users_number + 1))
    grep -l -F -e "${users_rest%%"$newline"*}/" /proc/[0-9]*/maps 2>/dev/null |
      sed -n "s,^/proc/\([0-9]*\)/maps\$,$users_number \1,p"
    users_rest=${users_rest#*"$newline"}
  done
  users_own=$(readlink /proc/self/ns/mnt)
  for users_proc in /proc/[0-9]*; do
    users_pid=${users_proc#/proc/}
    [ "$users_pid" != "$$" ] || continue
    {
      ls -l "$users_proc/cwd" "$users_proc/root" "$users_proc/exe" "$users_proc/fd" 2>/dev/null | awk "$users_links"
      users_space=$(readlink "$users_proc/ns/mnt" 2>/dev/null) && [ "$users_space" != "$users_own" ] &&
        awk "$users_mounts" "$users_proc/mountinfo" 2>/dev/null
    } | sed "s/\$/ $users_pid/"
  done
}

# users PATH...: lines `N PID NAME` (TAB between), N being the number of the path, each process once a path.
# Paths are absolute and without symlinks.
users() {
  users_targets='' users_devices='' users_insides=''
  for users_one; do
    mount_find "$users_one"
    users_targets=$users_targets$users_one$newline
    users_devices=$users_devices$mount_device$newline
    # Where the path is within its file system, as mountinfo writes it.
    users_insides=$users_insides${mount_root%/}${mount_path#"${mount_at%/}"}$newline
  done
  export users_targets users_devices users_insides
  users_scan | sort -u | while read -r users_number users_pid; do
    users_name=
    { IFS= read -r users_name <"/proc/$users_pid/comm"; } 2>/dev/null || continue
    plain "${users_name:-?}"
    printf '%s\t%s\t%s\n' "$users_number" "$users_pid" "$plain"
  done
}
