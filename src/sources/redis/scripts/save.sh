# Has Redis save itself, and waits until that ended well.
# Arguments: HOST PORT USER TLS CONTAINER FILE STALL GUESSED
#   FILE is the RDB as an absolute path
#   STALL is after how many seconds without progress to give up
#   GUESSED: yes when its name is not known for certain; then another RDB beside it counts, too
# stdin: what redis_open reads.
# stdout: lines
#   wait REASON        something else has to end first
#   saving KEYS ALL    how far it is, where the server tells
#   saved TIME SIZE    done: Unix time of the save, and the size of FILE in bytes where known; behind them the name of
#                      another one, if that was written
#   failed CODE TEXT   not done. CODE: answer, space, child, stalled, elsewhere
# include remote/lib/prelude.sh
# include sources/redis/lib/redis.sh

redis_open "$1" "$2" "$3" "$4" "$5"
file=$6 stall=$7 guessed=$8

failed() {
  printf 'failed %s %s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"
  exit 0
}

look() {
  persistence || failed answer "$answer"
}

# Anything that moves while a child works.
progress() {
  printf '%s\n' "$info" | grep -E '^current_|^rdb_saves' || :
  ls -l "${file%/*}"/temp-* 2>/dev/null || :
}

# pause: between two looks; gives up when nothing moves.
pause() {
  if short_nap; then return; fi
  pause_now=$(progress)
  if [ "$pause_now" = "$pause_last" ]; then
    pause_still=$((pause_still + 1))
    [ "$pause_still" -lt "$stall" ] || failed stalled "no progress for $stall seconds"
  else
    pause_last=$pause_now
    pause_still=0
  fi
  sleep 1
}

# short_nap: the first ones, for a small data set is saved at once. Fails when there are no more of them.
short_nap() {
  naps=$((naps + 1))
  case $naps in
    [1-6]) sleep 0.05 2>/dev/null ;;
    [7-9] | 1? | 20) sleep 0.1 2>/dev/null ;;
    *) return 1 ;;
  esac
}

naps=0
pause_last=
pause_still=0

# Redis forks one child at a time.
wait_for_children() {
  while :; do
    look
    if [ "$(info_value rdb_bgsave_in_progress)" = 1 ]; then
      echo 'wait a save that is running'
    elif [ "$(info_value aof_rewrite_in_progress)" = 1 ]; then
      echo 'wait an AOF rewrite that is running'
    elif [ "$(info_value module_fork_in_progress)" = 1 ]; then
      echo 'wait a child of a module'
    else
      return
    fi
    pause
  done
}

# numbers: inodes and names of what lies in the directory. A save makes a new file (rdbSave in src/rdb.c).
numbers() {
  for number_file in "${file%/*}"/*; do
    [ ! -f "$number_file" ] || printf '%s %s\n' "$(stat -c %i "$number_file" 2>/dev/null)" "${number_file##*/}"
  done
}

# written: the one RDB that is new since $numbers_before, in $written_file; fails for none, and for several.
written() {
  written_file=
  for written_candidate in "${file%/*}"/*; do
    case ${written_candidate##*/} in temp-*) continue ;; esac
    [ -f "$written_candidate" ] && [ "$(head -c 5 "$written_candidate" 2>/dev/null)" = REDIS ] || continue
    written_number="$(stat -c %i "$written_candidate") ${written_candidate##*/}"
    case $newline$numbers_before$newline in *"$newline$written_number$newline"*) continue ;; esac
    [ -z "$written_file" ] || return 1
    written_file=${written_candidate##*/}
  done
  [ -n "$written_file" ]
}

attempts=0
while :; do
  wait_for_children
  before=$(file_identity "$file")
  [ "$guessed" != yes ] || numbers_before=$(numbers)
  size=$(stat -c %s "$file" 2>/dev/null)
  free=$(df -Pk "${file%/*}" 2>/dev/null | awk 'NR == 2 { print $4 }')
  # A save that fails can make Redis refuse writes (stop-writes-on-bgsave-error), so it is not even tried.
  if [ -n "$size" ] && [ -n "$free" ] && [ "$((size / 1024))" -gt "$free" ]; then
    failed space "$size $((free * 1024))"
  fi
  ask BGSAVE
  case $answer in
    'Background saving started'*) break ;;
    *[Aa]'lready in progress'* | *'rewriting in progress'* | *'child process is active'* | *'scheduled'*)
      # Somebody else was faster. Theirs may have begun before we looked, so it does not count as ours.
      attempts=$((attempts + 1))
      [ "$attempts" -lt 20 ] || failed stalled 'another save was always running'
      short_nap || sleep 1
      ;;
    *) failed answer "${ask_auth:-$answer}" ;;
  esac
done

pause_still=0
while :; do
  look
  [ "$(info_value rdb_bgsave_in_progress)" = 1 ] || break
  echo "saving $(info_value current_save_keys_processed) $(info_value current_save_keys_total)"
  pause
done
if [ "$(info_value rdb_last_bgsave_status)" != ok ]; then
  free=$(df -Pk "${file%/*}" 2>/dev/null | awk 'NR == 2 { print $4 }')
  failed child "${free:-unknown}"
fi
other=
if [ "$(file_identity "$file")" = "$before" ]; then
  [ "$guessed" = yes ] && written || failed elsewhere "$file"
  other=$written_file
  file=${file%/*}/$other
fi
echo "saved $(info_value rdb_last_save_time) $(stat -c %s "$file" 2>/dev/null)${other:+ $other}"
