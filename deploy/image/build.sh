#!/usr/bin/env bash
# Builds the image of a card or disk: build.sh pi|pc [PACKAGE.deb]
# As root. The same commit, package and state of Debian's mirror give the same image, bit for bit.
# MESHSTREAM_IMAGE_OUTPUT gives it another folder than target/image.
set -euo pipefail
cd "$(dirname "$0")/../.."

board=${1:?name a board: pi (Raspberry Pi Zero 2, 3 and 4) or pc (x86-64 with UEFI)}
suite=bookworm
components=main,non-free-firmware
# What every image has besides the package and what that recommends.
packages=(systemd-sysv systemd-resolved systemd-timesyncd udev dbus kmod fdisk e2fsprogs zstd initramfs-tools
    hostapd dnsmasq-base nftables radvd iw iproute2 rfkill wireless-regdb iputils-ping
    openssh-server sudo nano less usbutils v4l-utils yggdrasil gstreamer1.0-libcamera
    firmware-ath9k-htc firmware-misc-nonfree firmware-atheros)
case $board in
    pi)
        architecture=arm64
        packages+=(linux-image-arm64 raspi-firmware firmware-brcm80211)
        ;;
    pc)
        architecture=amd64
        packages+=(linux-image-amd64 systemd-boot-efi firmware-realtek firmware-iwlwifi)
        ;;
    *) echo "no image is made for '$board': name pi or pc" >&2; exit 2 ;;
esac
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
package=${2:-target/packages/meshstream_$version-1_$architecture.deb}
[ -e "$package" ] || { echo "$package is missing: 'make deb ARCHITECTURES=$architecture' makes it" >&2; exit 1; }
package=$(realpath "$package")
[ "$(id -u)" = 0 ] || { echo "an image is built as root: 'sudo make image BOARD=$board'" >&2; exit 1; }
# What the package recommends, but not what that recommends in turn, which is half a desktop.
recommended=$(dpkg-deb --field "$package" Recommends | tr -d ' ')
scripts/need.sh "an image" mmdebstrap mtools dosfstools e2fsprogs fdisk squashfs-tools faketime qemu-user-static arch-test
deploy/image/emulate.sh "$architecture"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export TZ=UTC LC_ALL=C.UTF-8
here=$PWD/deploy/image
output=$(realpath --canonicalize-missing "${MESHSTREAM_IMAGE_OUTPUT:-target/image}")
work=$output/$board.work
image=$output/meshstream-$version-$board.img
rm -rf "$work"
mkdir -p "$work"

# --- The root ---

root=$work/root
# One initial file system at the end, not one for each package that asks for it.
export INITRD=No
echo "installing Debian $suite for $architecture; this takes some minutes"
# Manual pages other than ours and translations take a third of the space.
mmdebstrap --quiet --variant=apt --architectures="$architecture" --components="$components" \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-include=/usr/share/man/man1' --dpkgopt='path-include=/usr/share/man/man1/meshstream*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-include=/usr/share/doc/meshstream/*' \
    --include="adduser,$recommended,$(IFS=,; echo "${packages[*]}")" \
    --customize-hook="copy-in $package /tmp" \
    --customize-hook="$here/customize.sh \"\$1\" $board" \
    "$suite" "$root"

# --- The partitions ---

# In MiB: what is before the first one, and the boot partition. The data partition is small, and grows on its machine.
gap=4 boot_size=256 data_size=256
# Of the disk, the file systems and the partitions: always the same, for a bootloader looks for them.
disk_id=0x4d534831
boot_id=4D534831
data_uuid=4d534831-6461-7461-8000-6d6573687374

date="$(date --utc --date "@$SOURCE_DATE_EPOCH" +%Y-%m-%d\ %H:%M:%S)"
touched() { find "$1" -exec touch --no-dereference --date "$date UTC" {} +; }

kernel=$(basename "$root"/boot/vmlinuz-*)
boot=$work/boot
mkdir -p "$boot"
cp "$root/boot/$kernel" "$boot/vmlinuz"
cp "$root/boot/initrd.img-${kernel#vmlinuz-}" "$boot/initrd.img"
line="root=PARTUUID=${disk_id#0x}-02 rootfstype=squashfs ro meshstream.data=PARTUUID=${disk_id#0x}-03 net.ifnames=0 quiet"
if [ "$board" = pi ]; then
    cp "$root"/usr/lib/raspi-firmware/* "$boot"
    cp "$root"/usr/lib/linux-image-"${kernel#vmlinuz-}"/broadcom/bcm27*.dtb "$root"/usr/lib/linux-image-"${kernel#vmlinuz-}"/broadcom/bcm2837*.dtb "$boot"
    cp "$here/pi/config.txt" "$boot"
    echo "console=tty0 console=ttyS1,115200 $line" >"$boot/cmdline.txt"
else
    mkdir -p "$boot/EFI/BOOT" "$boot/loader/entries"
    cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$boot/EFI/BOOT/BOOTX64.EFI"
    printf 'timeout 2\n' >"$boot/loader/loader.conf"
    printf 'title Meshstream %s\nlinux /vmlinuz\ninitrd /initrd.img\noptions console=tty0 console=ttyS0,115200 %s\n' "$version" "$line" \
        >"$boot/loader/entries/meshstream.conf"
fi
cp "$here/first-boot.toml.example" "$boot/first-boot.toml.example"
touched "$boot"
truncate --size "${boot_size}M" "$work/boot.fat"
mkfs.vfat -F 32 -i "$boot_id" -n MESHBOOT --invariant "$work/boot.fat" >/dev/null
# In one order, whatever that of the folders is, and at one time: the clock stands, and the files' own times are as they are.
export NO_FAKE_STAT=1
(cd "$boot" && find . -mindepth 1 -type d | sort) | while read -r folder; do
    faketime -f "$date" mmd -i "$work/boot.fat" "::${folder#.}"
done
(cd "$boot" && find . -type f | sort) | while read -r file; do
    faketime -f "$date" mcopy -m -i "$work/boot.fat" "$boot/$file" "::${file#.}"
done

# Linux starts from its own copy on the boot partition.
rm -rf "$root"/boot/vmlinuz* "$root"/boot/initrd.img* "$root"/vmlinuz* "$root"/initrd.img*

data=$work/data
mkdir -p "$data/system"
mv "$root/var/lib/meshstream" "$data/meshstream"
mkdir "$root/var/lib/meshstream"
install --directory --owner "$(stat -c %u "$data/meshstream")" --group "$(stat -c %g "$data/meshstream")" --mode 0700 "$data/meshstream/first-boot"
touched "$data"
truncate --size "${data_size}M" "$work/data.ext4"
# Room in its tables for a card of 1 TB, and as many files as large file systems have.
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -T default -i 16384 -L meshdata -U $data_uuid \
    -E "hash_seed=$data_uuid,resize=$((1024 * 1024 * 256)),root_owner=0:0" -d "$data" "$work/data.ext4"
# When a file was last changed in any way cannot be set on this machine, so mke2fs has what it is here.
for path in / $(cd "$data" && find . -mindepth 1 | cut -c 2-); do
    echo "set_inode_field $path ctime @$SOURCE_DATE_EPOCH"
done | E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH debugfs -w -f - "$work/data.ext4" 2>"$work/debugfs.log" >/dev/null
# It ends well whatever went wrong; its first line is its version.
if grep -v '^debugfs [0-9]' "$work/debugfs.log" >&2; then
    echo "debugfs could not set the times of the data partition: see above" >&2
    exit 1
fi

# The variable would bound times, the options set them.
env --unset=SOURCE_DATE_EPOCH mksquashfs "$root" "$work/root.squashfs" -comp zstd -Xcompression-level 15 -noappend -no-progress -quiet \
    -reproducible -mkfs-time "$SOURCE_DATE_EPOCH" -all-time "$SOURCE_DATE_EPOCH" -processors 2

# --- The image ---

# In sectors of 512 bytes, each partition at a multiple of 4 MiB, as cards erase.
sectors() { echo $(($1 * 2048)); }
root_size=$((($(stat -c %s "$work/root.squashfs") / 1048576 / 4 + 1) * 4))
root_at=$((gap + boot_size))
data_at=$((root_at + root_size))
rm -f "$image"
truncate --size "$((data_at + data_size))M" "$image"
boot_type=c
[ "$board" = pc ] && boot_type=ef
sfdisk --quiet "$image" <<END
label: dos
label-id: $disk_id
start=$(sectors $gap), size=$(sectors $boot_size), type=$boot_type, bootable
start=$(sectors $root_at), size=$(sectors $root_size), type=83
start=$(sectors $data_at), size=$(sectors $data_size), type=83
END
place() { dd if="$1" of="$image" bs=1M seek="$2" conv=notrunc,sparse status=none; }
place "$work/boot.fat" $gap
place "$work/root.squashfs" $root_at
place "$work/data.ext4" $data_at

dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package} ${Version} ${Architecture}\n' >"$image.packages"
rm -rf "$work"
(cd "$output" && sha256sum "$(basename "$image")" >"$image.sha256")
echo "$image: $(($(stat -c %s "$image") / 1048576)) MiB, $(wc -l <"$image.packages") packages"
echo "write it to a card with Raspberry Pi Imager ('Use custom'), or with: sudo dd if=$image of=/dev/CARD bs=4M conv=fsync status=progress"
