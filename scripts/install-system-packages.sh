#!/usr/bin/env bash
# Installs the system programs that the tests use, on Debian or Ubuntu, as root. `npm test` runs without them and skips by name.
# With the word `machines` also those of `npm run test:systemd` and `npm run test:compose`.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
packages=(chromium fonts-dejavu-core postgresql util-linux procps nginx-light openssl slurm-wlm slurm-client slurm-wlm-basic-plugins slurm-wlm-mysql-plugin slurmdbd mariadb-server munge openssh-server openssh-client supervisor python3 systemd faketime apache2-bin libapache2-mod-xsendfile)
[ "${1:-}" != machines ] || packages+=(dbus iproute2 docker.io docker-compose iptables tini)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
