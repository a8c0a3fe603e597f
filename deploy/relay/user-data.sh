#!/bin/sh
# Writes the user data for a relay to standard output, for any provider's web form or command line:
#
#   user-data.sh NAME PACKAGE_URL SHA256 [GATEWAY_KEY…] > user-data.yaml
#
# NAME is the relay's name in the DNS, the others are setup.sh's. terraform/cloud-init makes the same text.
set -eu

[ $# -ge 3 ] || { sed -n 's/^# \{0,1\}//; 2,6p' "$0" >&2; exit 2; }
name=$1
url=$2
sha256=$3
shift 3
here=$(dirname "$0")

refuse() {
    echo "$0: $1" >&2
    exit 2
}
case $name in
    *[!a-zA-Z0-9.-]* | [.-]* | *[.-] | *..*) refuse "'$name' is no name in the DNS" ;;
    *.*) ;;
    *) refuse "a name in the DNS has a dot" ;;
esac
case $url in https://?*) ;; *) refuse "the package's address begins with https://" ;; esac
case $url in *[!a-zA-Z0-9./:_~%+=\&?,-]*) refuse "'$url' has characters that do not belong into an address" ;; esac
# hexadecimal TEXT WHAT
hexadecimal() {
    case $1 in *[!0-9a-f]*) refuse "$2 has 64 small hexadecimal digits" ;; esac
    [ ${#1} -eq 64 ] || refuse "$2 has 64 small hexadecimal digits"
}
hexadecimal "$sha256" "the checksum"
keys=
for key in "$@"; do
    hexadecimal "$key" "a public key of Yggdrasil"
    keys="$keys, \"$key\""
done

file() {
    base64 -w 0 "$here/$1"
}
# In a replacement sed knows \ and &; of these an address may have the latter.
url=$(printf '%s' "$url" | sed 's/&/\\\&/g')
# shellcheck disable=SC2016 # ${…} is the template's.
sed -e 's|\${name}|'"$name"'|g' -e 's|\${package_url}|'"$url"'|' -e 's|\${package_sha256}|'"$sha256"'|' -e 's|\${gateway_keys}|'"$keys"'|' \
    -e 's|\${caddyfile}|'"$(file Caddyfile)"'|' -e 's|\${meshstream_toml}|'"$(file meshstream.toml)"'|' \
    -e 's|\${nftables_conf}|'"$(file nftables.conf)"'|' -e 's|\${setup}|'"$(file setup.sh)"'|' \
    -e 's|\${meshstream_unit}|'"$(file systemd/meshstream.service.d/relay.conf)"'|' \
    -e 's|\${caddy_unit}|'"$(file systemd/caddy.service.d/relay.conf)"'|' "$here/cloud-init.yaml"
