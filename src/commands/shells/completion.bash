# bash completion for relay-backup. Load it with: source <(relay-backup completion bash)

_relay_backup() {
  local program=${COMP_WORDS[0]} rest=${COMP_LINE:0:COMP_POINT} word line kind= prefix= open=1
  local -a words=() answer=()
  COMPREPLY=()

  # Readline splits words at : and = too. What stands without a blank between belongs together.
  for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    line=${rest#"${rest%%[![:space:]]*}"}
    [[ ${#line} -lt ${#rest} || ${#words[@]} -eq 0 ]] && words+=('')
    # The word at the cursor ends there.
    [[ ${line:0:${#word}} == "$word" ]] || word=$line
    words[${#words[@]}-1]+=$word
    rest=${line:${#word}}
  done
  word=${words[${#words[@]}-1]}

  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else answer+=("${line%%$'\t'*}"); fi
  done < <(command "${program/#\~/$HOME}" __complete -- "${words[@]:1}" 2>/dev/null </dev/null)

  case $kind in
    files | directories)
      compopt -o filenames
      [[ $word == --*=* ]] && word=${word#*=}
      local how=-f
      [[ $kind == directories ]] && how=-d
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$how" -- "$word")
      return
      ;;
  esac

  # Only what follows the last such character is put in place of what was typed.
  if [[ $word =~ ^(.*[$COMP_WORDBREAKS]) ]]; then prefix=${BASH_REMATCH[1]}; fi
  for line in "${answer[@]}"; do
    [[ $line == "$word"* ]] || continue
    [[ $line == *[:=] ]] || open=
    COMPREPLY+=("${line#"$prefix"}")
  done
  # A source goes on with a path, a flag with its value.
  [[ -n $open ]] && compopt -o nospace
}

complete -F _relay_backup relay-backup
