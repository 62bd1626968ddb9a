# What was written to a tree after a moment: after what a restore put in place was in its place.
# include restore/lib/base.sh

# late_exact MARK: find knows when anything about a file changed, to the nanosecond, as GNU's does; another one knows when
# its content did, and counts whole seconds.
late_exact() {
  find "$1" -prune -newercm "$1" >/dev/null 2>&1
}

# late_mark MARK: makes it. Where only seconds count, those of this one count as later.
late_mark() {
  : >"$1"
  late_exact "$1" || touch -d "@$(($(date +%s) - 1))" -- "$1" 2>/dev/null || :
}

# late PATH MARK: how many files of a tree have changed since the file MARK was made, in $late_count, and the first of
# them in $late_names, parted by commas. None where there is no MARK.
late() {
  late_count=0 late_names=''
  exists "$1" && [ -e "$2" ] || return 0
  late_test=-newer
  ! late_exact "$2" || late_test=-newercm
  # A name with a line break counts as two.
  late_list=$(find "$1" -name .relay-backup -prune -o ! -type d "$late_test" "$2" -print 2>/dev/null)
  [ -n "$late_list" ] || return 0
  late_count=$(printf '%s\n' "$late_list" | wc -l | tr -d ' ')
  late_names=$(printf '%s\n' "$late_list" | sed -n '1,3{s,.*/,,;p;}' | tr '\n' ',' | sed 's/,$//; s/,/, /g')
  [ "$late_count" -le 3 ] || late_names="$late_names, ..."
}
