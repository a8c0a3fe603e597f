//! A real Yggdrasil daemon in a network namespace, which finds its neighbours on the links there by multicast.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Child;

use crate::netns::Namespace;

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Yggdrasil {
    home: TempDir,
    _child: Child,
}

impl Yggdrasil {
    /// Starts it with fresh keys. It needs some tenths of a second until it answers.
    ///
    /// # Errors
    /// Where it is not installed.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        // Where it is missing, the process that is started below would say so in its log only.
        let found = std::process::Command::new("yggdrasil").arg("-version").output();
        found.context("cannot run yggdrasil: run 'make test-deps' first")?;
        let home = tempfile::tempdir()?;
        let config = home.path().join("yggdrasil.conf");
        let multicast = json!({ "Regex": "link.*", "Beacon": true, "Listen": true, "Port": 0 });
        let settings = json!({
            "AdminListen": admin(&home),
            "MulticastInterfaces": [multicast],
            "IfName": "ygg0",
        });
        std::fs::write(&config, settings.to_string())?;
        let log = std::fs::File::create(home.path().join("log"))?;
        let child = namespace
            .command("yggdrasil")
            .arg("-useconffile")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ip: install iproute2")?;
        Ok(Self { home, _child: child })
    }

    /// Its admin socket, as `mesh.yggdrasil_admin` wants it.
    pub fn admin(&self) -> String {
        admin(&self.home)
    }
}

fn admin(home: &TempDir) -> String {
    format!("unix://{}", home.path().join("admin.sock").display())
}
