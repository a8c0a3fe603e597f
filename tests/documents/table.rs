//! How the documents' commands are run: which programs are run as they are typed, and what is not, and why.
//!
//! Where a new command fails the test: a program that can run here belongs into [`RUN`]; what asks for a machine, a radio or the
//! Internet into [`NOT_RUN`] or, for one command alone, into [`SPECIAL`]; a word that a reader replaces into [`FILLED`].

/// Programs that are run as they are typed.
pub(crate) const RUN: &[&str] = &[
    "cat",
    "cd",
    "cp",
    "curl",
    "date",
    "deploy/relay/user-data.sh",
    "echo",
    "export",
    "install",
    "ls",
    "md5sum",
    "meshstream",
    "mkdir",
    "target/release/meshstream",
];

/// Programs that are not: the Debian package that has them (or who else), and why.
pub(crate) const NOT_RUN: &[(&str, &str, &str)] = &[
    ("/etc/init.d/firewall", "OpenWrt", "on the router"),
    ("./setup.sh", "deploy/relay", "sets up a whole server: scripts/check-deploy.sh looks at it"),
    ("apt", "apt", "installs on the machine: tests/deploy does, in a Debian of its own"),
    ("apt-get", "apt", "installs on the machine: tests/deploy does, in a Debian of its own"),
    ("batctl", "batctl", "on the router"),
    ("cargo", "cargo", "a release takes an hour of a small machine: the tests have built the program"),
    ("chromium", "chromium", "asks for a screen"),
    ("ip", "iproute2", "asks for the network device of the story's machine"),
    ("iperf3", "iperf3", "asks for two boards"),
    ("iw", "iw", "asks for a radio"),
    ("journalctl", "systemd", "no systemd runs here: tests/deploy has one"),
    ("lime-config", "LibreMesh", "on the router"),
    ("lime-apply", "LibreMesh", "on the router"),
    (
        "make",
        "make",
        "is what runs these tests: its targets are looked for in the Makefile; tests/end_to_end/demo.rs runs the demo",
    ),
    ("meshstream-host-metrics", "deploy/monitoring", "scripts/check-deploy.sh runs it"),
    ("mtr", "mtr-tiny", "asks for another machine"),
    ("nano", "nano", "asks for somebody who types"),
    ("nft", "nftables", "loads rules into the kernel: tests of src/firewall.rs and src/portal.rs have nft check them"),
    ("nmcli", "network-manager", "asks for NetworkManager on the story's machine"),
    ("npx", "npm", "downloads a program from the Internet"),
    ("openapi-generator-cli", "npm", "a program from the Internet"),
    ("promtool", "prometheus", "scripts/check-deploy.sh runs it"),
    ("reboot", "systemd", "on the router"),
    ("rfkill", "rfkill", "asks for a radio"),
    ("scp", "openssh-client", "asks for the router"),
    ("scripts/check-deploy.sh", "scripts", "a part of `make test-deploy`"),
    ("ssh", "openssh-client", "asks for another machine"),
    ("sudoedit", "sudo", "asks for somebody who types"),
    ("systemctl", "systemd", "no systemd runs here: tests/deploy has one"),
    ("terraform", "HashiCorp", "rents a server: scripts/check-deploy.sh looks at what it reads"),
    ("vcgencmd", "raspi-utils", "asks for a Raspberry Pi"),
];

/// How one command is run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    /// Not at all, and why.
    Not(&'static str),
    /// With other words in the place of some that ask for a device.
    With(&'static [(&'static str, &'static str)]),
    /// The same; it publishes, and is ended once the node has its broadcast.
    Publishes(&'static [(&'static str, &'static str)]),
    /// On another machine: in a data directory where no node runs, the same for all such commands of a page.
    Elsewhere,
    /// There, with the invite of the page's community on its standard input.
    Joins,
    /// There, and it is ended once it serves.
    Serves,
}

use How::{Elsewhere, Joins, Not, Publishes, Serves, With};

const NO_CAMERA: How = Not("asks for a camera: tests/end_to_end/camera has some");
const NO_RADIO: How = Not("asks for a radio and root: tests/end_to_end/setup.rs has stand-ins");
const FFMPEG: How = Publishes(&[(
    "-f v4l2 -i /dev/video0 -f alsa -i default",
    "-re -f lavfi -i testsrc2=size=320x180:rate=25 -re -f lavfi -i sine",
)]);

/// Single commands, by their page and beginning.
pub(crate) const SPECIAL: &[(&str, &str, How)] = &[
    ("README.md", "target/release/meshstream run", Serves),
    ("README.md", "target/release/meshstream camera --device", NO_CAMERA),
    ("README.md", "ffmpeg", FFMPEG),
    ("docs/operations/access-point.md", "sudo meshstream setup", NO_RADIO),
    ("docs/operations/cameras.md", "meshstream camera --device", NO_CAMERA),
    ("docs/operations/cameras.md", "meshstream camera    ", NO_CAMERA),
    ("docs/operations/cameras.md", "meshstream camera --url rtsp:", NO_CAMERA),
    ("docs/operations/cameras.md", "meshstream camera --url file:", Publishes(&[])),
    ("docs/operations/cameras.md", "meshstream camera --still", Publishes(&[("--audio alsa", "--audio tone")])),
    ("docs/operations/cameras.md", "meshstream camera --no-video", Publishes(&[("--audio pipewire", "--audio tone")])),
    ("docs/operations/cameras.md", "meshstream camera --test-pattern", Publishes(&[])),
    ("docs/operations/community.md", "meshstream community join -", Joins),
    // A firewall needs ports that stay the same: those of a node that nobody has set anything for.
    (
        "docs/operations/configuration.md",
        "meshstream firewall",
        With(&[(
            "meshstream firewall",
            "env MESHSTREAM_INGEST__LISTEN='[::]:1935' MESHSTREAM_SSB__LISTEN='[::]:8008' MESHSTREAM_WEB__LISTEN='[::]:8080' \
         MESHSTREAM_IPFS__LISTEN='[\"/ip6/::/tcp/4001\"]' meshstream firewall",
        )]),
    ),
    ("docs/operations/encoders.md", "ffmpeg", FFMPEG),
    (
        "docs/operations/encoders.md",
        "gst-launch-1.0",
        Publishes(&[("v4l2src", "videotestsrc is-live=true"), ("alsasrc", "audiotestsrc is-live=true")]),
    ),
    (
        "docs/operations/encoders.md",
        "rpicam-vid",
        Publishes(&[(
            "rpicam-vid -t 0 -n --width 1280 --height 720 --framerate 25 --bitrate 1500000 --intra 50 --inline --codec h264 -o -",
            "ffmpeg -re -f lavfi -i testsrc2=size=320x180:rate=25 -c:v libx264 -g 25 -pix_fmt yuv420p -f h264 -",
        )]),
    ),
    ("docs/operations/relay.md", "meshstream community join -", Joins),
    ("docs/operations/ssb.md", "meshstream restore", Elsewhere),
    ("docs/operations/ssb.md", "meshstream ssb recover", Elsewhere),
    ("docs/operations/ssb.md", "meshstream ssb import", Elsewhere),
    ("docs/operations/ssb.md", "meshstream run", Serves),
    (
        "docs/operations/upgrades.md",
        "meshstream upgrade sign",
        Not("asks for packages: tests/end_to_end/upgrade.rs makes some"),
    ),
    ("docs/operations/upgrades.md", "meshstream upgrade publish", Not("the same")),
    (
        "docs/operations/upgrades.md",
        "sudo meshstream upgrade install",
        Not("installs on the machine: tests/deploy does, in a Debian of its own"),
    ),
    ("docs/quick-start.md", "sudo -u meshstream meshstream camera --test-pattern", Publishes(&[])),
    ("docs/stories/1-conference.md", "sudo meshstream setup", NO_RADIO),
    ("docs/stories/3-mesh.md", "cat /sys/class/net/eth0/mtu", With(&[("eth0", "lo")])),
    ("docs/stories/3-mesh.md", "sudo date -s", Not("sets the machine's clock")),
    ("hardware/boards.md", "grep VmRSS", With(&[("pgrep -xo", "pgrep -xn")])),
    ("hardware/field-card.md", "chromium", With(&[("--headless", "--headless --no-sandbox --disable-gpu")])),
    ("hardware/librerouter/README.md", "cat /sys/class/net/eth0/mtu", With(&[("eth0", "lo")])),
];

/// What stands in the place of a word that a reader replaces.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    /// As it is.
    Text(&'static str),
    /// A key for this stream name: the one that the page made, else a new one.
    KeyOf(&'static str),
    /// A broadcast of another node that is over and archived.
    Others,
    /// A broadcast of this node that is live.
    Live,
    /// A broadcast of this node that is over and archived.
    Over,
    /// The feed of another node.
    Feed,
    /// The last post that the page wrote.
    Post,
}

use Value::{Feed, KeyOf, Live, Others, Over, Post, Text};

/// Words that a reader replaces, by page and command's beginning; the first that fits counts.
pub(crate) const FILLED: &[(&str, &str, &str, Value)] = &[
    ("README.md", "ffmpeg", "KEY", KeyOf("main-hall")),
    ("docs/operations/archives.md", "meshstream archive withdraw", "ID", Over),
    ("docs/operations/archives.md", "meshstream archive rebroadcast", "ID", Over),
    ("docs/operations/archives.md", "meshstream archive", "ID", Others),
    ("docs/operations/encoders.md", "", "NAME", Text("hall")),
    ("docs/operations/encoders.md", "", "KEY", KeyOf("hall")),
    ("docs/operations/relay.md", "meshstream archive", "ID", Others),
    ("docs/operations/relay.md", "deploy/relay/user-data.sh", "…", Text("example.org")),
    (
        "docs/operations/relay.md",
        "deploy/relay/user-data.sh",
        "SHA256",
        Text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ),
    ("docs/operations/relay.md", "meshstream feed", "FEED", Feed),
    // Nobody's: whom a node blocks it does not talk to any more, and the page goes on with the other one.
    (
        "docs/operations/ssb.md",
        "meshstream feed",
        "FEED",
        Text("@BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=.ed25519"),
    ),
    ("docs/operations/ssb.md", "meshstream post", "BROADCAST", Over),
    ("docs/operations/ssb.md", "meshstream post", "POST", Post),
    ("docs/operations/storage.md", "meshstream archive", "ID", Over),
    ("docs/stories/1-conference.md", "sudo meshstream broadcast", "yBX0nOgC", Live),
    ("docs/stories/4-archive.md", "sudo meshstream archive", "qQozf6cx", Others),
];
