# How scripts talk, in both directions (src/model/talk.ts): records, one a line, whose fields are parted by one TAB. The
# first field says what the record is. Text of our own (reasons, notes) has no control characters and stands as it is. A
# value (a name, an answer, whatever somebody else made) is encoded: a byte that is not plain as \0ooo, as printf's %b
# takes it, and an empty one as `-`.
# An answer to many questions is a line each, in their order: its word is all there is (`yes`, `missing`, a hash).
# Three things are no records. Names in bulk, each ended by NUL, come from find and go to tar as they are. On a stderr that
# tools write to, too, our lines bear a mark (remote/scripts/lib/pipeline.sh). The journal of a merge belongs
# to its kind, which writes and reads it: scripts append to it and print it.

tab=$(printf '\t')
newline='
'

# say FIELD...: a record, its fields as they are. When nobody listens any more the work goes on.
say() {
  say_line=$1
  shift
  for say_field; do say_line=$say_line$tab$say_field; done
  printf '%s\n' "$say_line" 2>/dev/null || :
}

# tell WORD VALUE...: a record, its values encoded.
tell() {
  tell_line=$1
  shift
  for tell_value; do
    to_field "$tell_value"
    tell_line=$tell_line$tab$field
  done
  printf '%s\n' "$tell_line" 2>/dev/null || :
}

# to_field VALUE: the same encoded, in $field. Nothing is started for what is plain: printable ASCII without the backslash.
to_field() {
  case $1 in
    '') field=- ;;
    -) field='\0055' ;;
    *[!]-~\ -[]*) field=$(encode "$1") ;;
    *) field=$1 ;;
  esac
}

# encode TEXT: as a value, on stdout; every byte is, for simplicity.
encode() {
  printf '%s' "$1" | od -An -v -to1 | tr -d '\n' | sed 's/ /\\0/g'
}

# decode VALUE: what it stands for, in $decoded.
decode() {
  decoded=$(printf '%b.' "$1")
  decoded=${decoded%.}
}

# plain TEXT: as text of our own, on one line and short, in $plain.
plain() {
  plain=$(printf '%s' "$1" | tr '\000-\037\177' ' ' | cut -c 1-600)
}
