#!/bin/sh
# Makes a Debian 12 machine a Meshstream relay, once its files are in their places (README.md, cloud-init.yaml). As root; it can be
# run again.
#
#   setup.sh PACKAGE SHA256 [GATEWAY_KEY…]
#
# PACKAGE is the path or the https address of the Debian package of Meshstream, SHA256 its checksum. Each GATEWAY_KEY is the public key
# of a Yggdrasil node of the mesh that may connect here ('yggdrasilctl getself'); without any it stays as it was, at first open to everybody.
set -eu

package=$1
sha256=$2
shift 2
export DEBIAN_FRONTEND=noninteractive

# Files of ours that are there already stay: the packages bring others by the same names.
install_packages() {
    apt-get -q -y -o Dpkg::Options::=--force-confold install "$@"
}

apt-get -q update
install_packages caddy curl jq nftables unattended-upgrades yggdrasil

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/secret" && chmod 0700 "$work/secret"
# apt reads the package as a user of its own.
chmod 0755 "$work"
deb=$work/meshstream.deb
case $package in
    https://*) curl --fail --silent --show-error --location --proto '=https' --retry 5 --output "$deb" "$package" ;;
    *) cp "$package" "$deb" ;;
esac
echo "$sha256  $deb" | sha256sum --check --quiet
chmod 0644 "$deb"
# What it recommends is for cameras.
install_packages --no-install-recommends "$deb"

# The keys of the overlay are made here, on the first run, and leave this machine never.
config=/etc/yggdrasil/yggdrasil.conf
new=$work/secret/yggdrasil.conf
if [ ! -s "$config" ]; then
    yggdrasil -genconf -json >"$new"
    install -m 0640 -g yggdrasil "$new" "$config"
fi
# Peers come to this machine; it looks for none, least of all in a data centre's network.
keys=$(if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi | jq -R . | jq -s -c .)
yggdrasil -useconffile "$config" -normaliseconf -json |
    jq --argjson keys "$keys" '.Listen = ["tls://[::]:4443"] | .IfName = "ygg0" | .MulticastInterfaces = [] | .NodeInfoPrivacy = true
        | if $keys == [] then . else .AllowedPublicKeys = $keys end' >"$new"
install -m 0640 -g yggdrasil "$new" "$config"

systemctl daemon-reload
# Yggdrasil may have given up while it had no configuration.
systemctl reset-failed yggdrasil || true
systemctl enable nftables yggdrasil meshstream caddy
systemctl restart nftables yggdrasil meshstream caddy

echo
echo "The relay runs. Next: the address for the mesh's gateways,"
# The second half of an Ed25519 key is public.
echo "    tls://THIS_MACHINE:4443?key=$(jq -r '.PrivateKey[64:128]' "$config")"
echo "and docs/operations/relay.md."
