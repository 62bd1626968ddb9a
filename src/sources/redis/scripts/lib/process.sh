# birth_of PID: tells two processes with the same number apart, also over a reboot; `gone` when there is none.
birth_of() {
  if [ -r "/proc/$1/stat" ]; then
    birth_boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
    echo "$(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20) $birth_boot"
  elif kill -0 "$1" 2>/dev/null; then
    echo alive
  else
    echo gone
  fi
}
