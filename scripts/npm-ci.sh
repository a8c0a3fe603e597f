#!/usr/bin/env bash
# Installs a folder's npm packages as its lock file names them: npm-ci.sh FOLDER
# Does nothing where that was done since the lock file last changed.
set -euo pipefail
cd "$1"
stamp=node_modules/.installed
if [ -f "$stamp" ] && cmp --silent package-lock.json "$stamp"; then
    exit 0
fi
echo "installing npm packages in $1"
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json "$stamp"
