# What find is to list: some paths and all below them, without what is in directories that an expression names.

# find_below FUNCTION COUNT ROOT... [FIND-EXPRESSION...]: calls FUNCTION with the arguments that come behind `find`, up
# to what is done with each name. There are COUNT ROOTs; each is . or begins with ./, and one that is a symlink is
# followed. What the expression names is listed, and not looked into.
find_below() {
  printing=$1 count=$2
  shift 2
  # The expression stands behind the roots, as find wants it: -H, roots, ( ( names ) -prune -o anything ).
  total=$#
  position=0
  set -- "$@" -H
  while [ "$position" -lt "$count" ]; do
    set -- "$@" "$1"
    shift
    position=$((position + 1))
  done
  if [ "$count" -lt "$total" ]; then
    set -- "$@" '(' '('
    while [ "$position" -lt "$total" ]; do
      set -- "$@" "$1"
      shift
      position=$((position + 1))
    done
    set -- "$@" ')' -prune -o -name '*' ')'
  fi
  "$printing" "$@"
}
