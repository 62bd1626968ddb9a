# Who uses a path: processes with their root, directory, program or an open or mapped file in it, and those that
# see it through a mount of their own (containers). Without root, only one's own processes can be looked into.
# include restore/lib/base.sh

# users_links, an awk program, reads what `ls` says of the links of all processes. It prints `N PID` for a process that uses
# target N, and `space PID` for a process with mounts of its own. ls must write a line break in a name as `?`, or names could pass for lines of its own: with -q it
# does, where it knows -q, and busybox does by itself. So whatever is not printable ASCII is compared as `?`, however many
# there are in a row, and users_sure looks at what is found for a target that has one.
users_links='
  function about(one) {
    if (one == "") return
    sub(/ \(deleted\)$/, "", to)
    gsub(/[^ -~]/, "?", to)
    gsub(/[?]+/, "?", to)
    for (n = 1; n <= count; n++)
      if (to == target[n] || index(to, target[n] "/") == 1) found[n " " one] = 1
  }
  BEGIN { count = split(ENVIRON["users_targets"], target, "\n") - 1 }
  /^\/proc\/[^ ]*:$/ {
    split($0, part, "/")
    process = part[3] ~ /^[0-9]+$/ ? part[3] : ""
    next
  }
  {
    at = index($0, " -> ")
    if (!at) next
    to = substr($0, at + 4)
    last = split(substr($0, 1, at - 1), word, " ")
    if (word[last] !~ /^\/proc\//) about(process)
    else {
      split(word[last], part, "/")
      if (part[4] != "ns") about(part[3])
      else if (to != ENVIRON["users_own"]) found["space " part[3]] = 1
    }
  }
  END { for (one in found) print one }'
# The second reads the mountinfo of one and prints the numbers of the targets that it sees: by a mount of the path, of
# something in it, or of a directory that it is in; the root of a file system is everybody's.
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

# users_sure PID PATH: the process has a link to the path, or into it, name for name.
users_sure() {
  for users_link in "/proc/$1/cwd" "/proc/$1/root" "/proc/$1/exe" "/proc/$1"/fd/*; do
    users_to=$(readlink -- "$users_link" 2>/dev/null && echo .) || continue
    users_to=${users_to%"$newline".}
    case ${users_to%' (deleted)'}/ in
      "$2"/*) return 0 ;;
    esac
  done
  return 1
}

# A name that is not all printable ASCII, or has a `?`.
users_odd='*[! ->@-~]*'

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
  export users_own
  users_ls=-n
  ! ls -q / >/dev/null 2>&1 || users_ls=-nq
  # All processes by one ls and one awk. It names the directories that it lists when they are several: one more
  # makes sure of that.
  printf '%s\n' /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/ns/mnt /proc/[0-9]*/fd |
    xargs ls "$users_ls" /proc/self/fd 2>/dev/null | awk "$users_links" |
    while read -r users_number users_pid; do
      [ "$users_pid" != "$$" ] || continue
      if [ "$users_number" = space ]; then
        awk "$users_mounts" "/proc/$users_pid/mountinfo" 2>/dev/null | sed "s/\$/ $users_pid/"
        continue
      fi
      eval "users_one=\${$users_number}"
      # shellcheck disable=SC2254
      case $users_one in
        $users_odd) users_sure "$users_pid" "$users_one" || continue ;;
      esac
      echo "$users_number $users_pid"
    done
}

# users PATH...: lines `N PID NAME` (TAB between), N being the number of the path, each process once a path.
# Paths are absolute and without symlinks.
users() {
  users_targets='' users_devices='' users_insides=''
  for users_one; do
    mount_find "$users_one"
    users_targets=$users_targets$(printf '%s' "$users_one" | tr -c ' -~' '?' | tr -s '?')$newline
    users_devices=$users_devices$mount_device$newline
    # Where the path is within its file system, as mountinfo writes it.
    users_insides=$users_insides${mount_root%/}${mount_path#"${mount_at%/}"}$newline
  done
  export users_targets users_devices users_insides
  users_scan "$@" | sort -u | while read -r users_number users_pid; do
    users_name=
    { IFS= read -r users_name <"/proc/$users_pid/comm"; } 2>/dev/null || continue
    plain "${users_name:-?}"
    printf '%s\t%s\t%s\n' "$users_number" "$users_pid" "$plain"
  done
}

# users_settled TRIES PATH...: as users, without those who are gone a moment later: processes that are just ending, and
# containers that start elsewhere and see our mounts until they have their own.
users_settled() {
  users_tries=$1
  shift
  users_looks=0
  while :; do
    users_found=$(users "$@") || :
    [ -n "$users_found" ] && [ "$users_looks" -lt "$users_tries" ] || break
    users_looks=$((users_looks + 1))
    sleep 1
  done
  [ -z "$users_found" ] || printf '%s\n' "$users_found"
}

# users_names: the lines of users on stdin as words: `NAME (process PID), ...`.
users_names() {
  awk -F "$tab" '!seen[$2]++ { line = line (line == "" ? "" : ", ") $3 " (process " $2 ")" } END { print line }'
}
