#!/bin/bash
# in-own-cgroups.sh NAME COMMAND…
# Runs the command in a group NAME of its own in every cgroup hierarchy, in mount and cgroup namespaces in which that group is
# the root. A service manager in there moves its processes about below it and nowhere else.
set -euo pipefail
name=$1
shift

# Mount point, type and controllers of each hierarchy, and the group that this process is in.
hierarchies=$(awk '
  FILENAME == "/proc/self/cgroup" { split($0, part, ":"); path = substr($0, length(part[1] part[2]) + 3); groups[part[2]] = path; next }
  {
    for (dash = 7; $dash != "-"; dash++);
    type = $(dash + 1); options = "," $(dash + 3) ","
    if (type == "cgroup2") print $5, type, "-", $4, groups[""]
    if (type != "cgroup") next
    for (controllers in groups) {
      first = controllers; sub(/,.*/, "", first)
      if (first != "" && index(options, "," first ",")) print $5, type, controllers, $4, groups[controllers]
    }
  }' /proc/self/cgroup /proc/self/mountinfo)

while read -r mount type controllers root group; do
  [ "$root" = / ] || group=${group#"$root"}
  folder=$mount${group%/}/$name
  mkdir -p "$folder"
  case ,$controllers, in
    *,cpuset,*)
      cat "${folder%/*}/cpuset.cpus" > "$folder/cpuset.cpus"
      cat "${folder%/*}/cpuset.mems" > "$folder/cpuset.mems"
      echo 1 > "$folder/cgroup.clone_children"
      ;;
  esac
  echo $$ > "$folder/cgroup.procs"
done <<< "$hierarchies"

export hierarchies
exec unshare --cgroup --mount --propagation private bash -c '
  set -euo pipefail
  while read -r mount rest; do umount "$mount"; done <<< "$hierarchies"
  case $hierarchies in
    "/sys/fs/cgroup cgroup2"*) ;;
    *)
      umount /sys/fs/cgroup
      mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
      ;;
  esac
  while read -r mount type controllers rest; do
    mkdir -p "$mount"
    case $controllers in
      -) mount -t cgroup2 cgroup2 "$mount" ;;
      name=*) mount -t cgroup -o "none,$controllers" cgroup "$mount" ;;
      *) mount -t cgroup -o "$controllers" cgroup "$mount" ;;
    esac
  done <<< "$hierarchies"
  unset hierarchies
  exec "$@"' -- "$@"
