#!/usr/bin/env bash
# Installs Debian packages that are missing: need.sh PURPOSE PACKAGE…
# Without the rights to install, prints the line to run and fails.
set -euo pipefail
purpose=$1
shift

missing=()
for package in "$@"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get install --yes --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "$purpose needs these Debian packages (or your system's equivalents): ${missing[*]}" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=()
elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "$purpose needs packages that are missing. Run this, then try again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
fi

echo "installing for $purpose: ${missing[*]}"
"${as_root[@]}" apt-get update --quiet=2
# shellcheck disable=SC2086  # the words of the line are its arguments
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $install >/dev/null
