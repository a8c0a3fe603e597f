//! A real `cjdroute` in a network namespace, which finds its neighbours by the beacons of its links. No distribution that the
//! tests run on has it: where none is on the PATH, what needs it is skipped.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Child;

use crate::netns::Namespace;
use crate::skip::skip;

const PROGRAM: &str = "cjdroute";

/// A running daemon. Killed when dropped, and its core ends with it.
#[derive(Debug)]
pub struct Cjdroute {
    _home: TempDir,
    _child: Child,
}

impl Cjdroute {
    /// Where its admin interface is, as `mesh.cjdns_admin` wants it.
    pub const ADMIN: &str = "127.0.0.1:11234";

    /// Whether there is one; where not, says on standard error what is skipped.
    ///
    /// # Errors
    /// Where standard error is closed.
    pub fn is_there(what: &str) -> Result<bool> {
        let there = Command::new(PROGRAM).arg("--version").output().is_ok();
        if !there {
            skip(&format!("{what}: there is no {PROGRAM} on the PATH"))?;
        }
        Ok(there)
    }

    /// Starts it with fresh keys on these devices. Its admin interface has the password that stands for none.
    ///
    /// # Errors
    /// Where it does not make a configuration.
    pub fn start(namespace: &Namespace, devices: &[&str]) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let made = Command::new(PROGRAM).arg("--genconf").output()?;
        std::fs::write(home.path().join("made"), made.stdout)?;
        let mut clean = Command::new(PROGRAM);
        let clean = clean.arg("--cleanconf").stdin(std::fs::File::open(home.path().join("made"))?).output()?;
        ensure!(clean.status.success(), "{PROGRAM}: {}", String::from_utf8_lossy(&clean.stderr));
        let mut config: Value = serde_json::from_slice(&clean.stdout)?;
        let beacon = |device: &&str| json!({ "bind": device, "beacon": 2, "connectTo": {} });
        config["admin"] = json!({ "bind": Self::ADMIN, "password": "NONE" });
        config["interfaces"] = json!({ "ETHInterface": devices.iter().map(beacon).collect::<Vec<_>>() });
        config["router"]["interface"] = json!({ "type": "TUNInterface", "tunDevice": "cjdns0" });
        config["router"]["dnsSeeds"] = json!([]);
        config["pipe"] = json!(home.path().join("pipe"));
        config["noBackground"] = json!(1);
        config["security"] = json!([{ "setupComplete": 1 }]);
        let path = home.path().join("cjdroute.conf");
        std::fs::write(&path, config.to_string())?;
        let log = std::fs::File::create(home.path().join("log"))?;
        let child = namespace
            .command(PROGRAM)
            .stdin(std::fs::File::open(path)?)
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ip: install iproute2")?;
        Ok(Self { _home: home, _child: child })
    }
}
