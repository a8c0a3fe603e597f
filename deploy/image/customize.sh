#!/usr/bin/env bash
# Makes a Debian the system of an image: customize.sh ROOT pi|pc, called by build.sh within mmdebstrap.
set -euo pipefail
root=$1
here=$(cd "$(dirname "$0")" && pwd)
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

# All that it needs is there.
inside sh -c 'dpkg --install /tmp/meshstream_*.deb >/dev/null && rm /tmp/meshstream_*.deb'
cp --recursive --no-preserve=ownership "$here"/root/. "$root"

echo meshstream >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tmeshstream\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
echo 'LABEL=MESHBOOT /boot/firmware vfat rw,noatime,umask=0077,nofail 0 2' >"$root/etc/fstab"
mkdir -p "$root/boot/firmware"
ln -sf /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# The owner's account: locked until the first-boot page sets its password.
inside useradd --create-home --shell /bin/bash --groups sudo,video,audio --comment 'Owner of this node' mesh
inside passwd --quiet --lock root
mkdir -p "$root/var/log/journal"

inside systemctl --quiet enable systemd-networkd systemd-resolved systemd-timesyncd ssh meshstream meshstream-image-grow \
    meshstream-first-boot.path meshstream-first-boot-file meshstream-first-boot-network
# Of the packages' own services: what they would run is started by 'meshstream setup', and nothing waits for a network.
inside systemctl --quiet disable hostapd radvd nftables yggdrasil systemd-networkd-wait-online 2>/dev/null || true
inside systemctl --quiet mask systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer

# What each machine has of its own, or what is made of the rest and of the time.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/yggdrasil.conf" "$root/etc/yggdrasil/yggdrasil.conf" "$root/var/lib/systemd/random-seed" \
    "$root/var/lib/dbus/machine-id" "$root"/etc/*- "$root/var/cache/ldconfig/aux-cache" "$root"/var/cache/apt/*.bin
: >"$root/etc/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/* "$root"/var/cache/fontconfig/* "$root"/var/log/*.log "$root"/var/log/apt \
    "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/run/* "$root"/tmp/*

# With all that is in it now.
inside env --unset=INITRD update-initramfs -c -k all
