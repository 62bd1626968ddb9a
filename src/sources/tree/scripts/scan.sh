# Every entry below some paths with its stat, for servers whose find has -printf.
# Arguments: NONCE TOOL DIRECTORY COUNT ROOT... [FIND-EXPRESSION...]
#   TOOL    what compresses the list: zstd, gzip or none
#   COUNT   how many ROOTs there are; each is . or begins with ./
#   The expression names what is not to be looked into; it is listed all the same.
# A root that is a symlink is followed.
# stdout: the server's clock in seconds before anything was listed, NUL; then for each entry
#   TYPE SIZE MTIME CTIME INODE LINKS MODE UID GID, NUL, path, NUL
# and last `end`, NUL: a list without it is cut.
# stderr: find's messages (the first 48 KiB), then the status line with the stages find and compress.
# include remote/lib/prelude.sh
# include remote/lib/pipeline.sh
# include remote/lib/find.sh

nonce=$1 tool=$2 directory=$3
shift 3

print_stats() {
  gently find "$@" -printf '%y %s %T@ %C@ %i %n %m %U %G\0%p\0'
}

scanned() {
  cd -- "$directory" || return
  printf '%s\0' "$(date +%s)"
  find_below print_stats "$@"
  scan_status=$?
  printf 'end\0'
  return "$scan_status"
}

{
  statuses=$(
    {
      { stage find scanned "$@" | stage compress compress "$tool" 1 1 >&4; } 2>&1 |
        messages_up_to 49152 "$nonce" >&2
    } 3>&1
  )
} 4>&1
# shellcheck disable=SC2086
report_status "$nonce" $statuses
