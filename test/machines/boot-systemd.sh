#!/bin/bash
# boot-systemd.sh WORK REPOSITORY
# Becomes systemd, which must be PID 1 of its own namespaces: the caller is in-own-cgroups.sh unshare --pid --fork …
# The root is an overlay of this machine's on a tmpfs, so that nothing here is changed; the repository appears at
# /srv/galaxy/server, and the files below WORK/files as if they were in the root. The journal is kept in WORK/journal.
set -euo pipefail
[ $$ = 1 ] || { echo "not PID 1 of its own namespace" >&2; exit 1; }
work=$1 repository=$2
mount -t tmpfs -o size=4G tmpfs "$work/root"
mkdir "$work/root/upper" "$work/root/work" "$work/root/merged"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/root/upper,workdir=$work/root/work" "$work/root/merged"
root=$work/root/merged
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/dev/shm"

# A machine with nothing enabled.
units=$root/etc/systemd/system
mkdir -p "$units"
find "$units" -mindepth 1 -delete
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
  systemd-timesyncd.service systemd-logind.service getty.target console-getty.service systemd-remount-fs.service \
  systemd-binfmt.service systemd-modules-load.service systemd-sysctl.service systemd-resolved.service \
  systemd-networkd.service networking.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service; do
  ln -sf /dev/null "$units/$unit"
done
# Debian's clusters of this machine would start from a generator.
mkdir -p "$root/etc/systemd/system-generators"
ln -sf /dev/null "$root/etc/systemd/system-generators/postgresql-generator"
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
: > "$root/etc/machine-id"
: > "$root/etc/fstab"
sed -i '/^galaxy:/d' "$root/etc/passwd" "$root/etc/group"
echo 'galaxy:x:7999:7999::/srv/galaxy:/bin/sh' >> "$root/etc/passwd"
echo 'galaxy:x:7999:' >> "$root/etc/group"
mkdir -p "$root/srv/galaxy/server" "$root/etc/galaxy"
cp -a "$work/files/." "$root/"
chown -R 7999:7999 "$root/srv/galaxy"
mount --bind "$repository" "$root/srv/galaxy/server"
# What the journal says outlasts the machine.
mkdir -p "$work/journal" "$root/var/log/journal"
mount --bind "$work/journal" "$root/var/log/journal"
mkdir -p "$root$work"
mount --bind "$work" "$root$work"

hostname galaxy-test
ip link set lo up
cd "$root"
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec env -i container=galaxy-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  /lib/systemd/systemd --system --log-target=journal --show-status=0 < /dev/null
