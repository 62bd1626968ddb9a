# What Compose here says of files that are not here yet. They come on stdin, and lie in a private directory until it has
# answered. A leased script (remote/scripts/lib/lease.sh): nothing of them is left when the client goes.
# Arguments (behind the lease's): DEPLOYMENT ID PROJECT, then those of check_compose (restore/scripts/lib/compose-read.sh)
#   ID is made by the client. `sent:/0` stands for the first of the files, in all that follows
# stdin: records
#   file          one begins
#   bytes TEXT    encoded; they belong to it
#   judge         there are no more
# stdout: `place PATH` (encoded): what stands for `sent:` in Compose's own words; then as check_compose says. Instead of
#   both `failed TEXT`: they can't be kept here.
# Exit status: of check_compose; 5 when they can't be kept here
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include remote/lib/private.sh
# include restore/lib/compose-read.sh

undo() {
  svc_end_job
  private_drop
}

check_ask() {
  check_status=0
  svc_do "$@" || check_status=1
  check_said=$(cat -- "$private/services.log")
  return "$check_status"
}

unable() {
  plain "$why"
  say failed "$plain"
  exit 5
}

# take_files: what comes on stdin, up to `judge`.
take_files() {
  take_number=-1
  while lease_next && [ "$line" != judge ]; do
    case $line in
      file)
        take_number=$((take_number + 1))
        take_text=
        ;;
      *) take_text=${line#*"$tab"} ;;
    esac
    printf '%b' "$take_text" 2>/dev/null >>"$private/$take_number" || {
      why="$private can't be written to"
      add_full "$private/$take_number"
      unable
    }
  done
}

work() {
  cd /
  private_make compose "$1" "$2" || unable
  take_files
  manager=compose manager_1=$3
  shift 3
  for check_one; do
    shift
    case $check_one in sent:/*) check_one=$private/${check_one#sent:/} ;; esac
    set -- "$@" "$check_one"
  done
  tell place "$private"
  # svc_do keeps what a command says beside the journal.
  journal=$private/journal svc_limit=60
  check_compose "$@"
}

why=
lease_run work undo "$@"
