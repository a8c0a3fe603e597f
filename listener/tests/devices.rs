//! Listeners on devices that come and go, in network namespaces of their own: this program runs itself again in one.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]
#![allow(clippy::print_stdout, reason = "says that it is skipped")]

use std::process::{Command, Stdio};
use std::time::Duration;

use listener::Listener;

/// Tells this program that it runs in the namespace.
const INSIDE: &str = "MESHSTREAM_TEST_NAMESPACE";
/// A guard against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(60);

/// Whether this is the namespace of the test; else runs it there. Where namespaces are not permitted it is skipped, but for CI.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let permitted = Command::new("unshare").args(["--net", "ip", "link", "add", "type", "veth"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must be able to make network namespaces");
        println!("SKIPPED: network namespaces are not permitted here");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("--net").arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    assert!(command.status().unwrap().success());
    false
}

fn run(program: &str, line: &str) {
    assert!(Command::new(program).args(line.split(' ')).status().unwrap().success(), "{program} {line}");
}

/// A neighbour: a namespace with a process in it.
struct Neighbour(std::process::Child);

impl Neighbour {
    fn start() -> Self {
        // Said once it is in its namespace, and it ends with its standard input.
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        Self(child)
    }

    fn run(&self, line: &str) {
        run("nsenter", &format!("--target {} --net {line}", self.0.id()));
    }

    /// A link to it.
    fn link(&self, name: &str, ours: &str, theirs: &str) {
        run("ip", &format!("link add {name} type veth peer name {name}p netns {}", self.0.id()));
        run("ip", &format!("address add {ours}/24 dev {name}"));
        run("ip", &format!("link set {name} up"));
        self.run(&format!("ip address add {theirs}/24 dev {name}p"));
        self.run(&format!("ip link set {name}p up"));
    }

    /// Whether a connection is made; `until` tries until one is.
    fn connect(&self, to: std::net::SocketAddr, until: bool) -> std::process::Child {
        let connect = format!("(exec 3<>/dev/tcp/{}/{}) 2>&-", to.ip(), to.port());
        let script = if until { format!("until {connect}; do sleep 0.1; done") } else { connect };
        let line = ["--target", &self.0.id().to_string(), "--net", "bash", "-c", &script].map(str::to_owned);
        Command::new("nsenter").args(line).spawn().unwrap()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_device_is_listened_on_whenever_it_is_there_and_nothing_comes_in_by_another() {
    if !in_namespace("a_device_is_listened_on_whenever_it_is_there_and_nothing_comes_in_by_another") {
        return;
    }
    let neighbour = Neighbour::start();
    let mut listener = Listener::bind("10.9.0.1:0".parse().unwrap(), &["mesh0".parse().unwrap()]).unwrap();
    let address = listener.local_addr();
    let open_listener = Listener::bind("0.0.0.0:0".parse().unwrap(), &[]).unwrap();
    let open = std::net::SocketAddr::new(address.ip(), open_listener.local_addr().port());
    neighbour.link("other0", "10.8.0.1", "10.8.0.2");
    for _ in 0..2 {
        neighbour.link("mesh0", "10.9.0.1", "10.9.0.2");
        let mut connecting = neighbour.connect(address, true);
        let (_, from) = tokio::time::timeout(GUARD, listener.accept()).await.unwrap().unwrap();
        assert_eq!(from.ip().to_string(), "10.9.0.2");
        assert!(connecting.wait().unwrap().success());

        // Linux answers for an address of one device on another.
        neighbour.run("ip route add 10.9.0.1/32 via 10.8.0.1");
        assert!(neighbour.connect(open, false).wait().unwrap().success());
        assert!(!neighbour.connect(address, false).wait().unwrap().success());
        neighbour.run("ip route del 10.9.0.1/32 via 10.8.0.1");
        run("ip", "link del mesh0");
    }
}
