#!/bin/bash
# boot-docker.sh WORK
# Becomes dockerd, as PID 1 of its own namespaces: the caller is in-own-cgroups.sh unshare --pid --fork …
# Its bridges and packet filter are those of its own network namespace, which has nothing but a loopback.
set -euo pipefail
[ $$ = 1 ] || { echo "not PID 1 of its own namespace" >&2; exit 1; }
work=$1
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
exec dockerd --data-root "$work/data" --exec-root /run/docker --pidfile /run/docker.pid \
  -H "unix://$work/docker.sock" --storage-driver=overlay2
