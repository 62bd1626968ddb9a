# What Compose here says of files that are not here yet. They come on stdin, and lie in a private directory until it has
# answered. A leased script (remote/scripts/lib/lease.sh): nothing of them is left when the client goes.
# Arguments (behind the lease's): DEPLOYMENT ID OVER PROJECT, then those of check_compose
#   (restore/scripts/lib/compose-read.sh)
#   ID    is made by the client. `sent:` stands for the private directory, in all that follows
#   OVER  a directory: what of it Compose reads unasked, and does not come, is copied beside what comes; empty: none
# stdin: records
#   file NAME     one begins; encoded, below the private directory
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

# keep COMMAND...: writes into the private directory.
keep() {
  "$@" 2>/dev/null || {
    why="$private can't be written to"
    add_full "$private/services.log"
    unable
  }
}

take_bytes() { printf '%b' "$1" >>"$take_path"; }

# take_files: what comes on stdin, up to `judge`.
take_files() {
  while lease_next && [ "$line" != judge ]; do
    take_text=${line#*"$tab"}
    case $line in
      file*)
        decode "$take_text"
        take_path=$private/$decoded
        keep mkdir -p -- "${take_path%/*}"
        keep take_bytes ''
        ;;
      *) keep take_bytes "$take_text" ;;
    esac
  done
}

# take_over DIRECTORY
take_over() {
  for take_name in .env compose.yaml compose.yml docker-compose.yaml docker-compose.yml \
    compose.override.yaml compose.override.yml docker-compose.override.yaml docker-compose.override.yml; do
    exists "$private/$take_name" || ! [ -f "$1/$take_name" ] || keep cp -- "$1/$take_name" "$private/$take_name"
  done
}

work() {
  cd /
  private_make compose "$1" "$2" || unable
  take_files
  [ -z "$3" ] || take_over "$3"
  manager=compose manager_1=$4
  shift 4
  for check_one; do
    shift
    case $check_one in sent: | sent:/*) check_one=$private${check_one#sent:} ;; esac
    set -- "$@" "$check_one"
  done
  tell place "$private"
  # svc_do keeps what a command says beside the journal.
  journal=$private/journal svc_limit=60
  check_compose "$@"
}

why=
lease_run work undo "$@"
