#!/usr/bin/env bash
# Unpacks Debian packages into .tools/unpacked, for programs whose packages would start services here: unpacked.sh PACKAGE…
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/.tools/unpacked
mkdir -p "$folder/packages"
for package in "$@"; do
    [ -e "$folder/packages/$package.done" ] && continue
    echo "unpacking $package"
    (cd "$folder/packages" && apt-get download --quiet=2 "$package" && dpkg --extract "$package"_*.deb "$folder")
    touch "$folder/packages/$package.done"
done
