#!/usr/bin/env bash
# Has the kernel run programs of another architecture with QEMU: emulate.sh ARCHITECTURE
# Where systemd runs, the package qemu-user-static has seen to it; in a container nobody has.
set -euo pipefail

case $1 in
    "$(dpkg --print-architecture)") exit 0 ;;
    arm64) name=qemu-aarch64 ;;
    armhf) name=qemu-arm ;;
    *) echo "emulate.sh does not know $1" >&2; exit 2 ;;
esac
formats=/proc/sys/fs/binfmt_misc
[ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
[ -e $formats/$name ] || grep -v '^#' /usr/lib/binfmt.d/$name.conf >$formats/register
