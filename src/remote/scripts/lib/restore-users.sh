# Who uses a path: processes with their root, directory, program or an open or mapped file in it, and those that
# see it through a mount of their own (containers). Without root, only one's own processes can be looked into.
# include lib/restore-base.sh

# Both print the numbers of the targets that one process uses. The first gets its links from `ls -l`, which writes a
# line break in a name as one, or as `?`. So a link that goes on in the next line is not what it begins like; and of a
# target with a line break all counts that begins like it, until users_sure looks.
users_links='
  function settle() {
    for (one in whole) found[one] = 1
    split("", whole)
  }
  BEGIN {
    count = split(ENVIRON["users_targets"], target, "\n") - 1
    split(ENVIRON["users_cut"], cut, "\n")
  }
  { at = index($0, " -> ") }
  !at && $0 != "" && !/^(total |\/proc\/)/ { split("", whole) }
  at {
    settle()
    to = substr($0, at + 4)
    sub(/ \(deleted\)$/, "", to)
    for (n = 1; n <= count; n++) {
      if (to == target[n] && cut[n] == "no") whole[n] = 1
      if (index(to, target[n] (cut[n] == "no" ? "/" : "")) == 1) found[n] = 1
    }
  }
  END {
    settle()
    for (n in found) print n
  }'
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

# users_sure PID PATH...: of the numbers on stdin, those of paths that the process has a link to, name for name.
users_sure() {
  users_of=/proc/$1
  shift
  while read -r users_number; do
    eval "users_path=\${$users_number}"
    case $users_path in
      *"$newline"*) ;;
      *)
        echo "$users_number"
        continue
        ;;
    esac
    for users_link in "$users_of/cwd" "$users_of/root" "$users_of/exe" "$users_of"/fd/*; do
      users_to=$(readlink -- "$users_link" 2>/dev/null && echo .) || continue
      users_to=${users_to%"$newline".}
      case ${users_to%' (deleted)'}/ in
        "$users_path"/*)
          echo "$users_number"
          break
          ;;
      esac
    done
  done
}

users_scan() {
  users_number=0
  for users_one; do
    users_number=$((users_number + 1))
    # As maps has it: a line break is escaped, and nothing else.
    users_name=$(printf '%s/' "$users_one" | sed -e ':all' -e '$!{N;b all' -e '}' -e 's/\n/\\012/g')
    grep -l -F -e "$users_name" /proc/[0-9]*/maps 2>/dev/null |
      sed -n "s,^/proc/\([0-9]*\)/maps\$,$users_number \1,p"
  done
  users_own=$(readlink /proc/self/ns/mnt)
  for users_proc in /proc/[0-9]*; do
    users_pid=${users_proc#/proc/}
    [ "$users_pid" != "$$" ] || continue
    {
      ls -l "$users_proc/cwd" "$users_proc/root" "$users_proc/exe" "$users_proc/fd" 2>/dev/null |
        awk "$users_links" | users_sure "$users_pid" "$@"
      users_space=$(readlink "$users_proc/ns/mnt" 2>/dev/null) && [ "$users_space" != "$users_own" ] &&
        awk "$users_mounts" "$users_proc/mountinfo" 2>/dev/null
    } | sed "s/\$/ $users_pid/"
  done
}

# users PATH...: lines `N PID NAME` (TAB between), N being the number of the path, each process once a path.
# Paths are absolute and without symlinks.
users() {
  users_targets='' users_cut='' users_devices='' users_insides=''
  for users_one; do
    mount_find "$users_one"
    users_targets=$users_targets${users_one%%"$newline"*}$newline
    case $users_one in
      *"$newline"*) users_cut=${users_cut}yes$newline ;;
      *) users_cut=${users_cut}no$newline ;;
    esac
    users_devices=$users_devices$mount_device$newline
    # Where the path is within its file system, as mountinfo writes it.
    users_insides=$users_insides${mount_root%/}${mount_path#"${mount_at%/}"}$newline
  done
  export users_targets users_cut users_devices users_insides
  users_scan "$@" | sort -u | while read -r users_number users_pid; do
    users_name=
    { IFS= read -r users_name <"/proc/$users_pid/comm"; } 2>/dev/null || continue
    plain "${users_name:-?}"
    printf '%s\t%s\t%s\n' "$users_number" "$users_pid" "$plain"
  done
}
