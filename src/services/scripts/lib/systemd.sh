# Services that are systemd units.

svc_systemd_running() {
  for svc_one; do
    # A unit between two starts of a restart loop counts: it would come up again by itself.
    case $(svc_ask systemctl is-active -- "$svc_one") in
      active | activating | reloading | deactivating) printf '%s\n' "$svc_one" ;;
    esac
  done
}

# One after another: of several that are asked at once systemd keeps no order that their units do not say.
svc_systemd_stop() {
  svc_order=
  for svc_one; do svc_order="$svc_one $svc_order"; done
  for svc_one in $svc_order; do svc_do systemctl stop -- "$svc_one" || return 1; done
}

svc_systemd_start() {
  # A unit that failed too often refuses to start, however often it is asked.
  svc_quiet systemctl reset-failed -- "$@"
  for svc_one; do svc_do systemctl start -- "$svc_one" || return 1; done
}

svc_systemd_fit() {
  for svc_one; do
    [ "$(svc_ask systemctl is-active -- "$svc_one")" = active ] || continue
    # Counted since the last stop: a unit that came back by itself has died in between. Empty before systemd 235.
    svc_restarts=$(svc_ask systemctl show -p NRestarts -- "$svc_one")
    case ${svc_restarts#NRestarts=} in
      '' | 0) printf '%s\n' "$svc_one" ;;
    esac
  done
}

svc_systemd_settle() { :; }
