# Has Compose make the volumes of a project that has no containers here, from copies of its files, and nothing else: the
# containers that Compose makes for it never run and are removed again, whatever ends this script. The volumes stay.
# Arguments: STAGED PROJECT
#   STAGED  an own directory below .relay-backup/restore-ID, made by restore/scripts/prepare.sh
# stdin: lines, their values encoded:
#   directory NAME, file NAME    below STAGED
#   chunk BYTES                  of the file before
#   argument VALUE               of Compose itself, that leads to the files in STAGED
#   make                         all was told; answered by `ok make` or `failed make REASON`
# Exit status: 0; 91 when the lease was lost.
# include remote/lib/prelude.sh
# include remote/lib/lease.sh
# include restore/lib/undo.sh

# volumes_inside NAME: below STAGED and in no way out of it, in $volumes_path; with the directories it is in.
volumes_inside() {
  decode "$1"
  case /$decoded/ in
    */../* | */./* | *//*)
      why='a name that leads elsewhere'
      return 1
      ;;
  esac
  volumes_path=$volumes_staged/$decoded
  why=$(mkdir -p -- "${volumes_path%/*}" 2>&1)
}

volumes_compose() {
  set -f
  IFS=$newline
  # shellcheck disable=SC2086
  set -- $volumes_arguments "$@"
  unset IFS
  set +f
  # shellcheck disable=SC2086
  svc_do sh -c "$as_login" relay-backup $compose_tool "$@"
}

volumes_make() {
  [ -z "$why" ] && compose_tool || return 1
  compose_sweep "${volumes_staged%/restore-*}"
  volumes_made=yes
  volumes_compose up --no-start --no-build
}

work() {
  cd /
  volumes_staged=$1 manager=compose manager_1=$2
  # svc_do keeps its log beside a journal.
  journal=$volumes_staged/.journal
  svc_prepare
  why=
  while lease_next; do
    volumes_verb=${line%%"$tab"*} volumes_value=${line#*"$tab"}
    case $volumes_verb in
      directory) [ -n "$why" ] || { volumes_inside "$volumes_value" && why=$(mkdir -p -- "$volumes_path" 2>&1); } ;;
      file) [ -n "$why" ] || { volumes_inside "$volumes_value" && why=$( (: >"$volumes_path") 2>&1); } ;;
      chunk) [ -n "$why" ] || why=$( (printf '%b' "$volumes_value" >>"$volumes_path") 2>&1) ;;
      argument)
        decode "$volumes_value"
        volumes_arguments=$volumes_arguments$decoded$newline
        ;;
      make)
        if volumes_make; then
          say ok make
        else
          plain "$why"
          say failed make "$plain"
        fi
        ;;
    esac
  done
}

undo() {
  svc_end_job
  # This leaves the volumes alone.
  [ "$volumes_made" = no ] || volumes_compose down --timeout 1 || :
  remove_tree "$volumes_staged"
  rmdir -- "${volumes_staged%/*}" 2>/dev/null
  drop_home "${volumes_staged%/restore-*}"
}

volumes_arguments='' volumes_made=no volumes_staged='' volumes_path='' journal=''
journal_reset
lease_run work undo "$@"
