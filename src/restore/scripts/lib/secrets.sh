# Secrets that the client has sent. They are in this shell's memory alone, so that it can undo the restore when the client is
# gone. The journal has their keys: whoever undoes the restore later sends them again. The key is a source's name, or
# `services:NAME` of a variable that the lines of the manager command read.
# include remote/lib/talk.sh

secrets=$newline

# take_secret LINE: a record `secret KEY VALUE`.
take_secret() {
  secrets=$secrets${1#*"$tab"}$newline
}

# secret_of KEY: in $secret; the key is encoded. Fails with $why when nobody has sent it.
secret_of() {
  secret=
  case $secrets in
    *"$newline$1$tab"*) ;;
    *)
      decode "$1"
      why="the secret of $decoded was not sent"
      return 1
      ;;
  esac
  secret=${secrets#*"$newline$1$tab"}
  decode "${secret%%"$newline"*}"
  secret=$decoded
}
