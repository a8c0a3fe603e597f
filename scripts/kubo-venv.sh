#!/bin/sh
# Installs the real Kubo that the interoperability tests talk to into .tools/kubo, unless it is there already.
# Usage: scripts/kubo-venv.sh (run by `make test-deps`)
set -eu

cd "$(dirname "$0")/.."
venv=.tools/kubo
requirements=tests/kubo/requirements.txt

# The stamp is a copy of the requirements, so that changed versions install again.
if [ -x "$venv/bin/python" ] && cmp -s "$requirements" "$venv/requirements.txt"; then
    exit 0
fi

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    echo "kubo-venv: python3 lacks venv; run: apt-get install -y python3-venv" >&2
    exit 1
fi

echo "kubo-venv: installing Kubo into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
cp "$requirements" "$venv/requirements.txt"
