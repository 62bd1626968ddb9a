# How much lies in directories of a server, and on its disk. Changes nothing.
# Arguments: DEPLOYMENT PATH…    relative to the deployment, or absolute
# stdout: records (remote/scripts/lib/talk.sh), INDEX is that of the path, from 0
#   disk LINE                    the last line of `df -Pk` of the deployment
#   size INDEX KIB               how much is at the path
#   part INDEX                   some of it could not be read
#   directory INDEX KIB PATH     the largest directories below it, the largest first
#   end yes
# include remote/lib/prelude.sh
# include remote/lib/talk.sh

cd -P -- "$1" || exit 3
shift
disk=$(df -Pk . 2>/dev/null) || :
tell disk "${disk##*"$newline"}"
index=0
failed=999999999999999999
for path; do
  case $path in /*) ;; *) path=./$path ;; esac
  if [ -e "$path" ]; then
    [ -d "$path" ] && [ ! -L "$path" ] || path=$(readlink -f -- "$path" || printf '%s' "$path")
    # The status of du goes through the pipe as the line that sorts first.
    sizes=$({ du -kx -- "$path" 2>/dev/null || echo "$failed"; } | sort -rn | head -n 40)
    case $sizes in
      "$failed"*)
        tell part "$index"
        sizes=${sizes#"$failed"}
        sizes=${sizes#"$newline"}
        ;;
    esac
    kib=${sizes%%[!0-9]*}
    [ -z "$kib" ] || tell size "$index" "$kib"
    while IFS=$tab read -r kib name; do
      case $name in "$path"/*) tell directory "$index" "$kib" "${name#"$path"/}" ;; esac
    done <<EOF
$sizes
EOF
  fi
  index=$((index + 1))
done
tell end yes
