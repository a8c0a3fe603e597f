//! An access point and phones on it, in network namespaces: a real dnsmasq, real rules of nftables, a real DHCP client,
//! and the system's own resolver with what DHCP told it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::netns::Namespace;

/// What udhcpc calls when something happens: it takes the address, and writes down what it was told.
const ON_LEASE: &str = r#"#!/bin/sh
[ "$1" = bound ] || exit 0
ip address flush dev "$interface" && ip address add "$ip/$mask" dev "$interface" || exit 1
[ -z "$router" ] || ip route replace default via "$router" || exit 1
for server in $dns; do echo "nameserver $server"; done > "$HOME/resolv.conf"
env > "$HOME/lease"
"#;

/// dnsmasq and nftables of an access point. They end with the namespace.
#[derive(Debug)]
pub struct AccessPoint {
    home: TempDir,
}

impl AccessPoint {
    /// Starts dnsmasq with its file, and has nftables check and take its own. Whoever returns finds both at work.
    ///
    /// # Errors
    /// Where one of them is not installed, or does not take its file.
    pub async fn start(namespace: &Namespace, dnsmasq: &str, nftables: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let path = |name: &str| home.path().join(name);
        std::fs::write(path("portal.nft"), nftables)?;
        run(namespace.command("nft").args(["--check", "--file"]).arg(path("portal.nft"))).await?;
        run(namespace.command("nft").arg("--file").arg(path("portal.nft"))).await?;

        std::fs::write(path("portal.conf"), dnsmasq)?;
        let mut command = namespace.command("dnsmasq");
        for (option, file) in [
            ("--conf-file", "portal.conf"),
            ("--pid-file", "pid"),
            ("--dhcp-leasefile", "leases"),
            ("--log-facility", "log"),
        ] {
            command.arg(format!("{option}={}", path(file).display()));
        }
        // It goes to the background once it listens. The files in this directory are root's.
        run(command.args(["--user=root", "--log-queries"])).await?;
        Ok(Self { home })
    }

    /// What dnsmasq has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

/// A device that has joined.
#[derive(Debug)]
pub struct Phone {
    namespace: Namespace,
    home: TempDir,
    lease: HashMap<String, String>,
}

impl Phone {
    /// Asks for an address by DHCP, and for option 114 (RFC 8910).
    ///
    /// # Errors
    /// Where the DHCP client is not installed, or nobody answers it.
    pub async fn join(namespace: &Namespace, device: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let script = home.path().join("on-lease");
        std::fs::write(&script, ON_LEASE)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))?;
        let mut command = namespace.command("udhcpc");
        command.args(["-i", device, "-f", "-q", "-n", "-O", "114", "-s"]).arg(&script).env("HOME", home.path());
        run(&mut command).await?;
        let lease = std::fs::read_to_string(home.path().join("lease")).context("no lease")?;
        let lease = lease.lines().filter_map(|line| line.split_once('='));
        let lease = lease.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { namespace: namespace.clone(), home, lease })
    }

    /// What DHCP told, by the names of udhcpc: `ip`, `router`, `dns`, `opt114` (in hexadecimal digits).
    pub fn lease(&self, name: &str) -> Option<&str> {
        self.lease.get(name).map(String::as_str)
    }

    /// A command that runs a program there, which resolves names with the servers that DHCP told.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // The mount is seen by this command alone: `ip netns exec` gives it a mount namespace.
        const RESOLVING: &str = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let mut command = self.namespace.command("sh");
        command.args(["-c", RESOLVING]).arg(self.home.path().join("resolv.conf")).arg(program);
        command
    }
}

async fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().await.context("cannot run ip: install iproute2")?;
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    ensure!(output.status.success(), "{:?}: {said} (is all of 'make test-deps' there?)", command.as_std());
    Ok(output)
}
