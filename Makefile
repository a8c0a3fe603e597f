# Meshstream: the commands of a developer. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

build_packages := gcc libc6-dev libgstreamer1.0-dev make pkg-config
demo_packages  := fonts-dejavu-core gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
                  gstreamer1.0-plugins-ugly gstreamer1.0-x
test_packages  := ffmpeg fonts-dejavu-core chromium firefox-esr python3 python3-venv gstreamer1.0-tools gstreamer1.0-plugins-base \
                  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav \
                  gstreamer1.0-x gstreamer1.0-alsa gir1.2-gst-rtsp-server-1.0 python3-gi \
                  nginx-light libnginx-mod-rtmp pulseaudio libasound2-plugins \
                  iproute2 nftables yggdrasil dnsmasq-base udhcpc curl mandoc systemd hostapd radvd iw
deploy_packages := curl ffmpeg jq mmdebstrap nftables qemu-user-static shellcheck systemd systemd-container
image_packages := curl file mtools ovmf qemu-system-arm qemu-system-x86
webkit_packages := xvfb webkit2gtk-driver libwebkit2gtk-4.1-0

ARCHITECTURES ?= amd64 arm64 armhf

web_sources := $(shell git ls-files player-web/web player-web/texts 2>/dev/null)

.PHONY: help
help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: deps web ## two nodes, a test broadcast, and a URL to open (Ctrl-C ends it)
	@scripts/need.sh "the demo's test picture" $(demo_packages)
	@echo "building meshstream; the first time takes several minutes"
	cargo build --locked
	target/debug/meshstream demo $(DEMO)

.PHONY: run
run: deps web ## one node with the default settings (RUN="--data-dir DIR" to change them)
	cargo run --locked --release -- run $(RUN)

.PHONY: test
test: test-deps ## all tests: units, end to end, real encoders, peers and browsers
	cd player-web/web && npm test
	cargo test --workspace --locked --no-fail-fast

.PHONY: test-webkit
test-webkit: test-deps ## the tests of playing in WebKitGTK, the nearest that there is to an iPhone
	@scripts/need.sh "the tests in WebKitGTK" $(webkit_packages)
	cargo test --workspace --locked --test end_to_end webkit -- --ignored

.PHONY: test-devices
test-devices: test-deps ## the tests of cameras that ask for v4l2loopback and snd-aloop (V4L2LOOPBACK=/dev/videoN)
	cargo test --workspace --locked --test end_to_end camera::sources -- --ignored

.PHONY: deb
deb: deps web ## Debian packages in target/packages (ARCHITECTURES="amd64 arm64 armhf")
	for architecture in $(ARCHITECTURES); do scripts/deb.sh $$architecture || exit 1; done

.PHONY: image
image: ## an image of a card or disk in target/image, as root (BOARD=pi or pc; needs its package)
	deploy/image/build.sh $(BOARD)

.PHONY: test-deploy
test-deploy: deb ## packages in a bare Debian that boots and under emulation, monitoring, relay (as root; an hour from cold)
	@scripts/need.sh "the tests of packages" $(deploy_packages)
	@scripts/unpacked.sh caddy prometheus
	PATH="$$PWD/.tools/unpacked/usr/bin:$$PATH" scripts/check-deploy.sh
	MESHSTREAM_DEB_VERSION=0.1.0-2 MESHSTREAM_DEB_OUTPUT=target/packages/next scripts/deb.sh "$$(dpkg --print-architecture)"
	cargo test --workspace --locked --test deploy -- --ignored --nocapture --test-threads 1 --skip image::

.PHONY: reference
reference: deps web ## the reference of the configuration (docs/operations/configuration-reference.md), of the code
	cargo build --locked
	target/debug/meshstream reference markdown >docs/operations/configuration-reference.md

.PHONY: test-image
test-image: deps web ## images of a PC and a Raspberry Pi: mounted, started under emulation, built again (as root; half an hour and more)
	@scripts/need.sh "the tests of images" $(image_packages)
	deploy/image/build.sh pc
	deploy/image/build.sh pi
	cargo test --workspace --locked --test deploy image -- --ignored --nocapture --test-threads 1

.PHONY: screenshots
screenshots: test-deps ## every page as pictures, to look at
	cargo test --workspace --locked --test gallery -- screenshots weighs
	@echo "pictures: $$(cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')/screenshots"

.PHONY: check
check: deps web ## formatting, lints of every language, and that the lock file is current
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --no-default-features --locked -- -D warnings
	cd player-web/web && npm run check

.PHONY: bench
bench: deps web ## benchmarks of the hot paths (docs/benchmarks.md keeps the figures)
	@scripts/need.sh "the benchmarks" $(demo_packages) ffmpeg chromium iproute2 iperf3 nginx-light python3 python3-venv wrk
	@scripts/kubo-venv.sh
	@scripts/npm-ci.sh tests/js
	@scripts/npm-ci.sh ssb-announcer/benches/javascript
	cargo bench --workspace --locked --bench '*' -- $(BENCH)

.PHONY: fuzz
fuzz: deps ## explore the fuzz targets, each for a minute (SECONDS_EACH=60)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@scripts/need.sh "the sanitizer's C++ runtime" g++
	cd fuzz && for target in $$(cargo fuzz list); do \
	    echo "fuzzing $$target"; \
	    mkdir -p found/$$target; \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target found/$$target corpus/$$target -- \
	        -max_total_time=$${SECONDS_EACH:-60} || exit 1; \
	done

.PHONY: deps
deps: ## what building needs (done by the others)
	@scripts/need.sh "building" $(build_packages)
	@command -v cargo >/dev/null || { echo "Rust is missing: install it with rustup (stable), then try again" >&2; exit 1; }
	@command -v npm >/dev/null || { echo "Node.js 20 or later with npm is missing: install it, then try again" >&2; exit 1; }

.PHONY: test-deps
test-deps: deps web ## what the tests need besides: encoders, browsers, JavaScript and Kubo peers
	@scripts/need.sh "the tests" $(test_packages)
	@scripts/npm-ci.sh tests/js
	@scripts/npm-ci.sh tests/browser
	@scripts/kubo-venv.sh

.PHONY: web
web: player-web/web/dist/.built ## the player and the pages' assets, embedded in the program

player-web/web/dist/.built: $(web_sources)
	@scripts/npm-ci.sh player-web/web
	cd player-web/web && npm run --silent build
	@touch $@

.PHONY: book
book: ## the documents as pages, to be read in target/book (a node has them at /docs/)
	cargo build --workspace --locked --bin book
	rm -rf target/book
	target/debug/book target/book
	@echo "open target/book/index.html"

.PHONY: clean
clean: ## remove everything that was built or installed in this folder
	cargo clean
	rm -rf .tools fuzz/target fuzz/found player-web/web/dist player-web/web/node_modules tests/js/node_modules tests/browser/node_modules \
	    ssb-announcer/benches/javascript/node_modules
