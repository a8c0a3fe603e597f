//! Upgrades over the mesh, on a machine that has booted: forward, back by itself, and what root does not believe.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::container::{Machine, Root};
use crate::{output, package};

const FIRST: &str = "0.1.0-1";
const NEXT: &str = "0.1.0-2";
const BROKEN: &str = "0.1.0-3";

/// Another node on the same machine: who publishes.
const OTHER: &str = "[node]\nname = \"maker\"\ndata_dir = \"/srv/maker\"\n[ingest]\nlisten = \"[::]:2935\"\n[web]\nlisten = \"[::]:2080\"\n\
    [ssb]\nlisten = \"[::]:2008\"\n[ipfs]\nlisten = [\"/ip4/0.0.0.0/tcp/2001\"]\n[mesh]\nlan_discovery = false\n";

struct Upgraded {
    root: Root,
    machine: Machine,
}

impl Upgraded {
    /// A node with the first version, a maker beside it, and a key that the node trusts.
    fn new() -> Result<Self> {
        let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
        let architecture = architecture.trim();
        let (first, next) = (package(architecture, FIRST)?, package(architecture, NEXT)?);
        let root = Root::prepared(&first)?;
        root.take(&first, "/root/first.deb")?;
        root.take(&next, "/root/next.deb")?;
        let machine = Machine::boot(&root)?;
        machine.run("dpkg --install /root/first.deb && cp /usr/bin/meshstream /srv/maker-program")?;
        let key = machine.run("meshstream upgrade key new /root/key")?;
        let peers = "[mesh]\npeers = [\"127.0.0.1:2080\"]\n";
        let own =
            format!("[node]\ndata_dir = \"/var/lib/meshstream\"\n{peers}[upgrade]\ntrusted = [\"{}\"]\n", key.trim());
        fs::write(root.join("/etc/meshstream/meshstream.toml"), own)?;
        fs::write(root.join("/srv/maker.toml"), OTHER)?;
        machine.run(
            "systemctl restart meshstream; systemd-run --unit=maker /srv/maker-program --config /srv/maker.toml run",
        )?;
        let upgraded = Self { root, machine };
        upgraded
            .machine
            .until("both nodes", "meshstream status && /srv/maker-program --config /srv/maker.toml status")?;
        Ok(upgraded)
    }

    /// Signs a package and publishes it at the maker; waits until it can be installed.
    fn publish(&self, version: &str, deb: &str) -> Result<()> {
        let maker = "/srv/maker-program --config /srv/maker.toml upgrade";
        self.machine.run(&format!("{maker} sign {deb} --key /root/key --output /root/{version}.release"))?;
        self.machine.run(&format!("{maker} publish /root/{version}.release {deb}"))?;
        let ready = "meshstream upgrade list --json | tr -d ' \\n'";
        let wanted = format!("{ready} | grep -q '\"version\":\"{version}\",\"state\":\"ready\"'");
        self.machine.until("the release at the node", &wanted).map(drop)
    }

    fn installed(&self) -> Result<String> {
        self.machine.run("dpkg-query --show --showformat '${db:Status-Status} ${Version}' meshstream")
    }

    fn feed(&self) -> Result<String> {
        let status: Value = serde_json::from_str(&self.machine.run("meshstream status --json")?)?;
        Ok(status["node"]["feed"].as_str().context("a feed")?.to_owned())
    }

    /// What a command says that is to fail.
    fn fails(&self, command: &str) -> Result<String> {
        self.machine.run(&format!("if {command}; then echo 'it did not fail' >&2; exit 1; fi 2>&1"))
    }

    /// The next package with a program in it that ends at once.
    fn broken(&self) -> Result<PathBuf> {
        let tree = self.root.join("/root/broken");
        output(Command::new("dpkg-deb").arg("--raw-extract").arg(self.root.join("/root/next.deb")).arg(&tree))?;
        let control = fs::read_to_string(tree.join("DEBIAN/control"))?.replace(NEXT, BROKEN);
        fs::write(tree.join("DEBIAN/control"), control)?;
        fs::write(tree.join("usr/bin/meshstream"), "#!/bin/sh\necho 'this program is broken' >&2\nexit 1\n")?;
        let deb = self.root.join("/root/broken.deb");
        output(Command::new("dpkg-deb").args(["-Znone", "--root-owner-group", "--build"]).arg(&tree).arg(&deb))?;
        Ok(deb)
    }
}

#[test]
#[ignore = "asks for root and a mirror of Debian: make test-deploy"]
fn a_release_is_installed_over_the_mesh_and_a_broken_one_is_gone_back_from() -> Result<()> {
    let node = Upgraded::new()?;
    let machine = &node.machine;
    let feed = node.feed()?;
    let own = fs::read_to_string(node.root.join("/etc/meshstream/meshstream.toml"))?;
    node.publish(NEXT, "/root/next.deb")?;

    // What root does not believe.
    machine.run("chmod o+w /etc/meshstream/meshstream.toml")?;
    let why = node.fails("meshstream upgrade install")?;
    ensure!(why.contains("chmod go-w"), "{why}");
    machine.run("chmod o-w /etc/meshstream/meshstream.toml")?;
    let why = node.fails("runuser -u meshstream -- meshstream upgrade install")?;
    ensure!(why.contains("sudo"), "{why}");
    let why = node.fails("meshstream upgrade install")?;
    ensure!(why.contains("--former"), "there is nothing to go back to yet: {why}");
    ensure!(node.installed()? == format!("installed {FIRST}"));

    let said = machine.run("meshstream upgrade install --former /root/first.deb")?;
    ensure!(said.contains("is installed and serves"), "{said}");
    ensure!(node.installed()? == format!("installed {NEXT}") && node.feed()? == feed);
    ensure!(fs::read_to_string(node.root.join("/etc/meshstream/meshstream.toml"))? == own, "the configuration stays");
    let why = node.fails("meshstream upgrade install")?;
    ensure!(why.contains("not newer"), "{why}");
    machine.run("meshstream upgrade install --if-newer --quiet")?;

    // A broken one.
    node.broken()?;
    node.publish(BROKEN, "/root/broken.deb")?;
    let why = node.fails("meshstream upgrade install")?;
    ensure!(why.contains("did not serve, and the former version was installed again"), "{why}");
    ensure!(node.installed()? == format!("installed {NEXT}") && node.feed()? == feed);
    let said = machine.run("meshstream upgrade install --if-newer")?;
    ensure!(said.contains("tried here and failed"), "{said}");
    ensure!(machine.run("meshstream upgrade list")?.contains("was tried here and failed"));

    // By hand there is nothing to go back to any more, since that was done.
    let why = node.fails("meshstream upgrade rollback")?;
    ensure!(why.contains("no former version is kept"), "{why}");
    ensure!(machine.run("stat --format '%U %a' /var/lib/meshstream-upgrade/packages")?.trim() == "root 700");
    Ok(())
}

#[test]
#[ignore = "asks for root and a mirror of Debian: make test-deploy"]
fn an_upgrade_is_taken_back_by_hand_and_by_the_timer_where_the_power_failed() -> Result<()> {
    let node = Upgraded::new()?;
    node.publish(NEXT, "/root/next.deb")?;
    node.machine.run("meshstream upgrade install --former /root/first.deb")?;
    let said = node.machine.run("meshstream upgrade rollback")?;
    ensure!(said.contains("0.1.0-1 is installed again") && node.installed()? == format!("installed {FIRST}"), "{said}");

    // By its number the one that was gone back from is installed again. The service that the timer starts does the same by itself.
    node.machine.run(&format!("meshstream upgrade install {NEXT}"))?;
    let record = node.root.join("/var/lib/meshstream-upgrade/record.json");
    let mut done: Value = serde_json::from_slice(&fs::read(&record)?)?;
    done["pending"] = NEXT.into();
    fs::write(&record, serde_json::to_vec(&done)?)?;
    let Upgraded { root, machine } = node;
    machine.cut()?;
    let node = Upgraded { machine: Machine::boot(&root)?, root };
    node.machine.until("the node", "meshstream status")?;
    node.machine
        .run("systemctl enable --now meshstream-upgrade.timer && systemctl start meshstream-upgrade.service")?;
    let done: Value = serde_json::from_slice(&fs::read(&record)?)?;
    ensure!(done["pending"].is_null() && done["current"] == NEXT, "{done}");
    Ok(())
}
