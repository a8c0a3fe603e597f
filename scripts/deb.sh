#!/usr/bin/env bash
# Builds the Debian package for one architecture: deb.sh amd64|arm64|armhf
# Each is linked against the libraries of Debian 12, whatever this machine has, so that it runs there and on all that is newer.
# MESHSTREAM_DEB_VERSION gives it another version than that of Cargo.toml, MESHSTREAM_DEB_OUTPUT another folder than target/packages.
set -euo pipefail
cd "$(dirname "$0")/.."

architecture=${1:?name an architecture: amd64, arm64 or armhf}
native=$(dpkg --print-architecture)
suite=bookworm

# What Rust calls an architecture of Debian's.
triple() {
    case $1 in
        amd64) echo x86_64-unknown-linux-gnu ;;
        arm64) echo aarch64-unknown-linux-gnu ;;
        armhf) echo armv7-unknown-linux-gnueabihf ;;
        *) echo "no package is made for $1: name amd64, arm64 or armhf" >&2; return 2 ;;
    esac
}

# The compiler's name for it.
gnu() {
    case $1 in
        amd64) echo x86_64-linux-gnu ;;
        arm64) echo aarch64-linux-gnu ;;
        armhf) echo arm-linux-gnueabihf ;;
    esac
}

# In a shell of its own: what is set for one architecture would mislead the build of another.
build() (
    target=$(triple "$1") gnu=$(gnu "$1")
    compiler=gcc-${gnu//_/-}
    [ "$native" = "$1" ] && compiler=gcc
    variable=${target//-/_}
    # Named for this machine's own, a linker would have what builds the others (build scripts, macros) built anew each time.
    [ "$native" = "$1" ] || export "CARGO_TARGET_${variable^^}_LINKER=$gnu-gcc"
    scripts/need.sh "packages for $1" "$compiler" mmdebstrap pkg-config
    rustup target add --toolchain "$(rustup show active-toolchain | cut -d' ' -f1)" "$target" 2>/dev/null ||
        [ -d "$(rustc --print target-libdir --target "$target")" ] ||
        { echo "Rust's library for $target is missing: run 'rustup target add $target', then try again" >&2; exit 1; }

    sysroot=$PWD/.tools/sysroot/$suite-$1
    if [ ! -e "$sysroot/.complete" ]; then
        echo "getting the libraries of Debian $suite for $1"
        rm -rf "$sysroot"
        mkdir -p "$(dirname "$sysroot")"
        # As Debian came out: what is linked against it runs with each update, and a mirror whose updates are being renewed
        # stops nothing.
        # shellcheck disable=SC2016 # for the hook's own shell
        mmdebstrap --quiet --variant=extract --architectures="$1" --setup-hook='sed -i /-security/d "$1/etc/apt/sources.list"' \
            --include=libc6-dev,libgcc-12-dev,libgstreamer1.0-dev "$suite" "$sysroot"
        touch "$sysroot/.complete"
    fi

    export "CARGO_TARGET_${variable^^}_RUSTFLAGS=-Clink-arg=--sysroot=$sysroot"
    export "CC_$variable=$gnu-gcc" "AR_$variable=$gnu-ar" "CFLAGS_$variable=--sysroot=$sysroot"
    export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$sysroot
    export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$gnu/pkgconfig:$sysroot/usr/share/pkgconfig
    cargo build --release --locked --package meshstream --target "$target"
)

target=$(triple "$architecture")
command -v .tools/bin/cargo-deb >/dev/null || cargo install --quiet --locked --root .tools cargo-deb
build "$architecture"

# Manual pages and completions are of the arguments, and so alike for all architectures: the one that runs here tells them.
build "$native"
program=target/$(triple "$native")/release/meshstream
reference=target/reference
rm -rf $reference
"$program" manual $reference/man
"$program" reference schema >$reference/meshstream.schema.json
for shell in bash:meshstream.bash zsh:_meshstream fish:meshstream.fish; do
    "$program" completions "${shell%%:*}" >"$reference/${shell#*:}"
done

# cargo-deb empties its own folder, target/debian, of other versions.
.tools/bin/cargo-deb --no-build --package meshstream --target "$target" --output "${MESHSTREAM_DEB_OUTPUT:-target/packages}/" \
    ${MESHSTREAM_DEB_VERSION:+--deb-version "$MESHSTREAM_DEB_VERSION"}
