#!/bin/sh
# Runs in mount and PID namespaces of its own: lays a layer for this run over the cached root and runs run.sh inside.
# $1 the cached root, $2 a folder for this run, $3 node, $4 the folder of npm, $5 a cache of packages; the rest is for run.sh.
set -eu
base=$1 run=$2 node=$3 npm=$4 cache=$5
shift 5
root=$run/root
mkdir -p "$run/upper" "$run/layer" "$run/tmp" "$root" "$cache/apt/partial" "$cache/npm"
chmod 1777 "$run/tmp"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$run/upper,workdir=$run/layer" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
# Docker's own layers can't lie on a layer.
mount --bind "$run/tmp" "$root/tmp"
mount --bind "$cache/apt" "$root/var/cache/apt/archives"
mkdir -p "$root/root/.npm/_cacache" "$root/usr/lib/node_modules/npm" "$root/work"
mount --bind "$cache/npm" "$root/root/.npm/_cacache"
: >"$root/usr/bin/node"
mount --bind "$node" "$root/usr/bin/node"
mount --bind "$npm" "$root/usr/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
mount --bind "$run/checkout" "$root/work"
exec chroot "$root" sh /work/scripts/bare/run.sh "$@"
