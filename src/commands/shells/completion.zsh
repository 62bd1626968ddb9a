#compdef relay-backup
# zsh completion for relay-backup. Put it into a directory of $fpath under the name _relay-backup, or load it with:
# source <(relay-backup completion zsh)

_relay-backup() {
  local -a answer whole whole_said open open_said
  local line value said tab=$'\t'
  local program=${(Q)words[1]}

  answer=("${(@f)$(command ${program/#\~/$HOME} __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  case ${answer[1]} in
    files | directories)
      [[ $PREFIX == --*=* ]] && compset -P '*='
      if [[ ${answer[1]} == files ]]; then _files; else _files -/; fi
      return
      ;;
  esac

  for line in "${(@)answer[2,-1]}"; do
    value=${line%%$tab*}
    said=$value
    [[ $line == *$tab?* ]] && said="$value  -- ${line#*$tab}"
    # A source goes on with a path, a flag with its value.
    if [[ $value == *[:=] ]]; then
      open+=("$value") open_said+=("$said")
    else
      whole+=("$value") whole_said+=("$said")
    fi
  done
  (( $#open )) && compadd -l -S '' -d open_said -- "${(@)open}"
  (( $#whole )) && compadd -l -d whole_said -- "${(@)whole}"
}

if [[ $funcstack[1] == _relay-backup ]]; then
  _relay-backup "$@"
else
  compdef _relay-backup relay-backup
fi
