#!/usr/bin/env bash
# Builds the Debian package for one architecture: deb.sh amd64|arm64|armhf
# Each is linked against the libraries of Debian 12, whatever this machine has, so that it runs there and on all that is newer.
# MESHSTREAM_DEB_VERSION gives it another version than that of Cargo.toml, MESHSTREAM_DEB_OUTPUT another folder than target/debian.
set -euo pipefail
cd "$(dirname "$0")/.."

architecture=${1:?name an architecture: amd64, arm64 or armhf}
suite=bookworm
case $architecture in
    amd64) target=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu ;;
    arm64) target=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu ;;
    armhf) target=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf ;;
    *) echo "no package is made for $architecture: name amd64, arm64 or armhf" >&2; exit 2 ;;
esac

compiler=gcc-${gnu//_/-}
[ "$(dpkg --print-architecture)" = "$architecture" ] && compiler=gcc
scripts/need.sh "packages for $architecture" "$compiler" mmdebstrap pkg-config
command -v .tools/bin/cargo-deb >/dev/null || cargo install --quiet --locked --root .tools cargo-deb
rustup target add --toolchain "$(rustup show active-toolchain | cut -d' ' -f1)" "$target" 2>/dev/null ||
    [ -d "$(rustc --print target-libdir --target "$target")" ] ||
    { echo "Rust's library for $target is missing: run 'rustup target add $target', then try again" >&2; exit 1; }

sysroot=$PWD/.tools/sysroot/$suite-$architecture
if [ ! -e "$sysroot/.complete" ]; then
    echo "getting the libraries of Debian $suite for $architecture"
    rm -rf "$sysroot"
    mkdir -p "$(dirname "$sysroot")"
    mmdebstrap --quiet --variant=extract --architectures="$architecture" \
        --include=libc6-dev,libgcc-12-dev,libgstreamer1.0-dev "$suite" "$sysroot"
    touch "$sysroot/.complete"
fi

variable=${target//-/_}
export "CARGO_TARGET_${variable^^}_LINKER=$gnu-gcc"
export "CARGO_TARGET_${variable^^}_RUSTFLAGS=-Clink-arg=--sysroot=$sysroot"
export "CC_$variable=$gnu-gcc" "AR_$variable=$gnu-ar" "CFLAGS_$variable=--sysroot=$sysroot"
export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$sysroot
export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$gnu/pkgconfig:$sysroot/usr/share/pkgconfig

cargo build --release --locked --package meshstream --target "$target"

# Manual pages and completions are of the arguments, and so alike for all architectures.
reference=target/reference
rm -rf $reference
cargo run --quiet --locked --package meshstream -- manual $reference/man
target/debug/meshstream reference schema >$reference/meshstream.schema.json
for shell in bash:meshstream.bash zsh:_meshstream fish:meshstream.fish; do
    target/debug/meshstream completions "${shell%%:*}" > "$reference/${shell#*:}"
done

.tools/bin/cargo-deb --no-build --package meshstream --target "$target" --output "${MESHSTREAM_DEB_OUTPUT:-target/debian}/" \
    ${MESHSTREAM_DEB_VERSION:+--deb-version "$MESHSTREAM_DEB_VERSION"}
