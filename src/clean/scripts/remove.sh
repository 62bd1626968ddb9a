# Removes files that a snapshot holds byte for byte, or says which of them it would remove. What is not as the snapshot has
# it stays, and so does what any process has open or mapped. Only root sees that of all processes.
# Arguments: look|remove ROOT
#   ROOT  absolute; may be a symlink to a directory
# stdin, fields parted by TAB: file NAME SIZE SECONDS SHA256
#   NAME     encoded, relative to ROOT
#   SECONDS  when it was modified, since the epoch
# stdout, fields parted by TAB, a line a file in their order, then `end`:
#   removed | would        `would` where it only looks
#   gone                   there is nothing of that name
#   changed                something else than the snapshot has
#   open                   a process has it open
#   failed TEXT            it can't be read, or not be removed
# include remote/lib/prelude.sh
# include remote/lib/talk.sh
# include restore/lib/base.sh

# clean_state NAME: what would be another if it was written to or replaced.
clean_state() { stat -c '%s %Y %d:%i %Z' -- "./$1" 2>/dev/null; }

# clean_inside NAME: it lies below the root, and no directory on the way is a symlink.
clean_inside() {
  case /$1/ in */../* | */./* | *//*) return 1 ;; esac
  case $1 in */*) ;; *) return 0 ;; esac
  # The dot keeps line breaks at the end of a name.
  clean_at=$(cd -P -- "./${1%/*}" 2>/dev/null && pwd -P && echo .) || return 1
  [ "${clean_at%"$newline".}" = "${clean_root%/}/${1%/*}" ]
}

# clean_prove N NAME SIZE SECONDS SHA256: sets $clean_result_N, to nothing when the file is as the snapshot has it.
clean_prove() {
  clean_said=
  if ! exists "$2"; then
    clean_said=gone
  elif ! clean_inside "$2" || [ -L "./$2" ] || ! [ -f "./$2" ]; then
    clean_said=changed
  else
    clean_before=$(clean_state "$2")
    case $clean_before in
      "$3 $4 "*)
        if clean_hash=$(sha256sum <"./$2" 2>/dev/null); then
          [ "${clean_hash%% *}" = "$5" ] || clean_said=changed
        else
          clean_said="failed${tab}it can't be read"
        fi
        ;;
      *) clean_said=changed ;;
    esac
  fi
  eval "clean_result_$1=\$clean_said clean_state_$1=\$clean_before clean_name_$1=\$2"
}

# clean_look_open: what processes have open, as device:inode, in $clean_open; the inodes of what they have mapped in
# $clean_mapped, whatever the device: some file systems give another one there.
clean_look_open() {
  clean_open=$newline$(for clean_of in /proc/[0-9]*/fd; do printf '%s\0' "$clean_of"/*; done |
    xargs -0 stat -L -c %d:%i 2>/dev/null | sort -u)$newline
  clean_mapped=$newline$(cat /proc/[0-9]*/maps 2>/dev/null | awk '$5 != 0 { print $5 }' | sort -u)$newline
}

# clean_remove N: removes the file that was proven, unless it was touched since or is in use.
clean_remove() {
  eval "clean_name=\$clean_name_$1 clean_before=\$clean_state_$1"
  clean_node=${clean_before#* * }
  clean_node=${clean_node%% *}
  if [ "$(clean_state "$clean_name")" != "$clean_before" ]; then
    clean_said=changed
    return 0
  fi
  case $clean_open in *"$newline$clean_node$newline"*) clean_said=open ;; esac
  case $clean_mapped in *"$newline${clean_node#*:}$newline"*) clean_said=open ;; esac
  [ -z "$clean_said" ] || return 0
  if [ "$clean_how" = look ]; then
    clean_said=would
  elif clean_why=$(rm -f -- "./$clean_name" 2>&1); then
    clean_said=removed
  else
    plain "$clean_why"
    clean_said=failed$tab$plain
  fi
}

clean_how=$1 clean_before='' clean_count=0
cd -P -- "$2" 2>/dev/null || clean_how=nowhere
clean_root=$(pwd -P)
while IFS=$tab read -r clean_verb clean_name clean_size clean_seconds clean_sum; do
  [ "$clean_verb" = file ] || continue
  clean_count=$((clean_count + 1))
  if [ "$clean_how" = nowhere ]; then
    eval "clean_result_$clean_count=gone"
    continue
  fi
  decode "$clean_name"
  clean_prove "$clean_count" "$decoded" "$clean_size" "$clean_seconds" "$clean_sum"
done
clean_look_open
clean_n=0
while [ "$clean_n" -lt "$clean_count" ]; do
  clean_n=$((clean_n + 1))
  eval "clean_said=\$clean_result_$clean_n"
  [ -n "$clean_said" ] || clean_remove "$clean_n"
  printf '%s\n' "$clean_said"
done
say end
