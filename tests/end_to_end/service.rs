//! The node as a service of the system: what its manager hears, what the doctor finds, and what its package carries.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node};

/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(60);

/// A service manager that listens (sd_notify(3)).
struct Manager {
    socket: UnixDatagram,
    directory: tempfile::TempDir,
}

impl Manager {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(directory.path().join("notify"))?;
        socket.set_read_timeout(Some(GUARD))?;
        Ok(Self { socket, directory })
    }

    /// As it starts a service with a watchdog.
    fn environment(&self, watchdog: Duration) -> Vec<(&'static str, String)> {
        let path = self.directory.path().join("notify").display().to_string();
        vec![("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", watchdog.as_micros().to_string())]
    }

    /// Waits until it is told this; returns the whole of what it is told with it.
    fn hears(&self, line: &str) -> Result<String> {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).with_context(|| format!("never told {line}"))?;
            let told = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            if told.lines().any(|told| told == line) {
                return Ok(told);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_hears_that_the_node_serves_answers_and_ends() -> Result<()> {
    let manager = Manager::start()?;
    let environment = manager.environment(Duration::from_millis(600));
    let mut node =
        Node::start(MESHSTREAM, Settings { name: "roof".to_owned(), environment, ..Settings::default() }).await?;
    manager.hears("READY=1")?;
    let told = manager.hears("WATCHDOG=1")?;
    ensure!(told.contains("STATUS=nobody publishes; 0 of 0 peers connected"), "{told}");
    manager.hears("WATCHDOG=1")?;
    node.terminate().await?;
    manager.hears("STOPPING=1")?;
    Ok(())
}

#[tokio::test]
async fn the_doctor_finds_a_node_that_runs_as_it_should() -> Result<()> {
    let node = node("roof").await?;
    let findings = node.cli_json(&["doctor", "--json"]).await?;
    for check in ["node", "ports", "disk"] {
        let finding = finding(&findings, check)?;
        ensure!(finding["state"] == "ok", "{finding}");
    }
    ensure!(finding(&findings, "peers")?["state"] == "absent", "{findings}");
    let said = node.cli(&["doctor"]).await?;
    ensure!(said.contains("ok       node          'roof' runs, version "), "{said}");
    Ok(())
}

#[test]
fn the_doctor_names_who_has_the_port_of_a_node_that_does_not_run() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let (data, free) = (tempfile::tempdir()?, "127.0.0.1:0");
    let doctor = Command::new(MESHSTREAM)
        .args(["doctor", "--json", "--config", "/dev/null", "--data-dir"])
        .arg(data.path())
        .env("MESHSTREAM_INGEST__LISTEN", free)
        .env("MESHSTREAM_SSB__LISTEN", free)
        .env("MESHSTREAM_IPFS__LISTEN", "[\"/ip4/127.0.0.1/tcp/0\"]")
        .env("MESHSTREAM_WEB__LISTEN", taken.local_addr()?.to_string())
        .output()?;
    ensure!(doctor.status.code() == Some(1), "{doctor:?}");
    let findings = serde_json::from_slice(&doctor.stdout)?;
    let ports = finding(&findings, "ports")?;
    let holder = format!("(process {}) has port {}", std::process::id(), taken.local_addr()?.port());
    ensure!(ports["found"].as_str().is_some_and(|found| found.contains(&holder)), "{ports}");
    ensure!(ports["mend"].as_str().is_some_and(|mend| mend.contains("web.listen")), "{ports}");
    ensure!(finding(&findings, "node")?["state"] == "failure", "{findings}");
    Ok(())
}

fn finding<'a>(findings: &'a Value, check: &str) -> Result<&'a Value> {
    let findings = findings["findings"].as_array().context("no findings")?;
    findings.iter().find(|finding| finding["check"] == check).with_context(|| format!("{check} was not looked at"))
}

#[test]
fn manual_pages_are_well_formed_and_shells_take_the_completions() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let meshstream = |arguments: &[&str]| Command::new(MESHSTREAM).args(arguments).output();
    let path = dir.path().to_str().context("a path")?;
    ensure!(meshstream(&["manual", path])?.status.success());
    let pages: Vec<_> = std::fs::read_dir(dir.path())?.map(|page| Ok(page?.path())).collect::<Result<_>>()?;
    let lint = Command::new("mandoc").args(["-Tlint", "-Werror"]).args(&pages).output()?;
    ensure!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
    let completions = meshstream(&["completions", "bash"])?.stdout;
    let script = dir.path().join("meshstream.bash");
    std::fs::write(&script, completions)?;
    ensure!(completed(&script, "meshstream arch")? == ["archive"]);
    ensure!(completed(&script, "meshstream key l")? == ["list"]);
    Ok(())
}

/// What bash completes the end of a line to.
fn completed(script: &Path, line: &str) -> Result<Vec<String>> {
    let words: Vec<_> = line.split(' ').collect();
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let asks = format!(
        "source {}; COMP_WORDS=({line}); COMP_CWORD={}; _meshstream meshstream {last} {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.len() - 1,
    );
    let output = Command::new("bash").args(["-c", &asks]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
