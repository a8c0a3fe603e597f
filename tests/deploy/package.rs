//! The package of this machine's architecture: installed, run, upgraded, removed and purged.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::container::{KilledOnDrop, Machine, Root, until};
use crate::{output, package};

const FIRST: &str = "0.1.0-1";
/// The same program with another number, for an upgrade.
const NEXT: &str = "0.1.0-2";

/// What `systemd-analyze security` may say at most: 0 is the most confined.
const EXPOSURE: f64 = 2.0;

/// The package of this machine's architecture; the next version is in a folder of its own.
fn deb(version: &str) -> Result<PathBuf> {
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    package(architecture.trim(), version)
}

#[test]
#[ignore = "asks for root and a mirror of Debian: make test-deploy"]
fn a_bare_debian_installs_it_with_one_command_and_purges_it_without_a_trace() -> Result<()> {
    let (root, deb) = (Root::bare()?, deb(FIRST)?);
    let before = root.run("find / -xdev -path /proc -prune -o -path '*meshstream*' -print")?;
    root.take(&deb, "/root/new.deb")?;
    let start = Instant::now();
    root.apt("apt-get install --yes --quiet /root/new.deb")?;
    println!("installed with all that it recommends in {:.0} s", start.elapsed().as_secs_f64());
    println!("package {} kB, installed {} kB", deb.metadata()?.len() / 1000, {
        root.run("dpkg-query --show --showformat '${Installed-Size}' meshstream")?
    });

    ensure!(root.run("meshstream --version")?.starts_with("meshstream 0.1.0"));
    let home = root.join("/var/lib/meshstream").metadata()?;
    let id = root.run("id -u meshstream")?.trim().parse::<u32>()?;
    ensure!(id != 0 && home.uid() == id && home.permissions().mode() & 0o777 == 0o700, "{home:?}");
    for file in [
        "/etc/meshstream/meshstream.toml",
        "/usr/share/man/man1/meshstream-key-add.1.gz",
        "/usr/share/bash-completion/completions/meshstream",
        "/usr/share/zsh/vendor-completions/_meshstream",
        "/usr/share/fish/vendor_completions.d/meshstream.fish",
        "/usr/share/doc/meshstream/copyright",
        "/usr/share/man/man5/meshstream.toml.5.gz",
        "/usr/share/meshstream/meshstream.schema.json",
        "/usr/share/doc/meshstream/configuration-reference.md",
        "/etc/systemd/system/multi-user.target.wants/meshstream.service",
    ] {
        ensure!(root.join(file).symlink_metadata().is_ok(), "{file} is missing");
    }
    root.run("systemd-analyze verify --man=no meshstream.service")?;

    // A key that is made before the first start belongs to the node, not to root who made it.
    root.run("meshstream key add hall")?;
    let keys = root.join("/var/lib/meshstream/streamer.sqlite3").metadata()?;
    ensure!(keys.uid() == id, "it belongs to {}", keys.uid());

    root.run("apt-get remove --yes --quiet meshstream")?;
    ensure!(root.join("/var/lib/meshstream/streamer.sqlite3").exists(), "removing ends nothing");
    ensure!(root.join("/etc/meshstream/meshstream.toml").exists());
    root.run("apt-get purge --yes --quiet meshstream")?;
    root.run("rm /root/new.deb")?;
    let after = root.run("find / -xdev -path /proc -prune -o -path '*meshstream*' -print")?;
    ensure!(after == before, "left behind: {after}");
    ensure!(root.run("getent passwd meshstream").is_err(), "the user is gone");
    Ok(())
}

/// A machine with the package installed while it runs.
struct Installed {
    root: Root,
    machine: Machine,
}

impl Installed {
    fn new() -> Result<Self> {
        let deb = deb(FIRST)?;
        let root = Root::prepared(&deb)?;
        root.take(&deb, "/root/new.deb")?;
        let machine = Machine::boot(&root)?;
        machine.run("dpkg --install /root/new.deb")?;
        let installed = Self { root, machine };
        installed.serves()?;
        Ok(installed)
    }

    /// Waits until the node answers phones.
    fn serves(&self) -> Result<()> {
        self.machine.until("a node that serves", "systemctl is-active meshstream && meshstream status")?;
        Ok(())
    }

    fn json(&self, command: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.machine.run(&format!("meshstream {command} --json"))?)?)
    }

    fn identity(&self) -> Result<String> {
        Ok(self.json("status")?["node"]["feed"].as_str().context("a feed")?.to_owned())
    }

    /// The main process, and how often it was started.
    fn process(&self) -> Result<String> {
        self.machine.run("systemctl show meshstream --property=MainPID --value")
    }

    fn publish(&self, key: &str) -> Result<KilledOnDrop> {
        let url = format!("rtmp://127.0.0.1:1935/live/hall?key={key}");
        let mut ffmpeg = self.machine.on_its_network("ffmpeg");
        ffmpeg.args("-v error -re -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=frequency=440".split(' '));
        ffmpeg.args("-c:v libx264 -preset ultrafast -g 25 -b:v 300k -pix_fmt yuv420p -c:a aac -f flv".split(' '));
        Ok(KilledOnDrop(ffmpeg.arg(url).stdin(Stdio::null()).spawn()?))
    }

    /// Waits until the newest broadcast, which is to be another one than this, has some segments; returns its id.
    fn broadcast_other_than(&self, before: &str) -> Result<String> {
        until("segments of a new broadcast", || {
            let broadcasts = self.json("streams")?;
            let newest = &broadcasts[0];
            let (id, held) = (newest["id"].as_str().unwrap_or_default(), newest["held_segments"].as_u64().unwrap_or(0));
            Ok((held >= 3 && id != before).then(|| id.to_owned()))
        })
    }
}

#[test]
#[ignore = "asks for root and a mirror of Debian: make test-deploy"]
fn the_service_is_confined_publishes_and_goes_on_after_upgrades_hangs_and_power_cuts() -> Result<()> {
    let node = Installed::new()?;
    let machine = &node.machine;
    let security = machine.run("systemd-analyze security --no-pager meshstream.service")?;
    let exposure = security.lines().find_map(|line| line.split_once("Overall exposure level")).context("no score")?.1;
    let exposure: f64 = exposure.split_whitespace().find_map(|word| word.parse().ok()).context("no score")?;
    println!("systemd-analyze security: {exposure}");
    ensure!(exposure <= EXPOSURE, "{security}");
    let status = machine.run("systemctl status --no-pager meshstream")?;
    ensure!(status.contains("Status: \"nobody publishes; 0 of 0 peers connected\""), "{status}");
    ensure!(machine.run("ps -o user= -C meshstream")?.trim() == "meshstream");

    // Ports of root's, and short segments, by what a person writes.
    let own = "[node]\ndata_dir = \"/var/lib/meshstream\"\n[web]\nlisten = \"[::]:80\"\n[segment]\ntarget_duration = \"2s\"\n";
    std::fs::write(node.root.join("/etc/meshstream/meshstream.toml"), own)?;
    machine.run("mkdir -p /etc/systemd/system/meshstream.service.d")?;
    let quick = "[Service]\nWatchdogSec=3s\n";
    std::fs::write(node.root.join("/etc/systemd/system/meshstream.service.d/quick.conf"), quick)?;
    machine.run("systemctl daemon-reload; systemctl restart meshstream")?;
    node.serves()?;
    let page = output(machine.on_its_network("curl").args(["--silent", "--fail", "http://127.0.0.1/"]))?;
    ensure!(page.contains("<html"), "{page}");

    let identity = node.identity()?;
    let key = node.json("key add hall")?["key"].as_str().context("a key")?.to_owned();
    let publisher = node.publish(&key)?;
    let broadcast = node.broadcast_other_than("")?;
    drop(publisher);

    // An upgrade keeps what a person wrote, who the node is, and what it stores. It ends what is live, as any stop does.
    node.root.take(&deb(NEXT)?, "/root/next.deb")?;
    let before = node.process()?;
    machine.run("DEBIAN_FRONTEND=noninteractive dpkg --install /root/next.deb")?;
    node.serves()?;
    ensure!(node.process()? != before, "the new program runs");
    ensure!(std::fs::read_to_string(node.root.join("/etc/meshstream/meshstream.toml"))? == own);
    ensure!(node.identity()? == identity);
    let publisher = node.publish(&key)?;
    let broadcast = node.broadcast_other_than(&broadcast)?;
    drop(publisher);
    let doctor = machine.run("meshstream doctor")?;
    ensure!(doctor.contains("ok       ports"), "{doctor}");

    // A node that hangs is started anew.
    let before = node.process()?;
    machine.run(&format!("kill -STOP {before}"))?;
    let now = "systemctl show meshstream --property=MainPID --value";
    let other = format!("test \"$({now})\" != {} && test \"$({now})\" != 0 && meshstream status", before.trim());
    machine.until("another process", &other)?;
    ensure!(node.identity()? == identity);

    // The power fails.
    let Installed { root, machine } = node;
    machine.cut()?;
    let start = Instant::now();
    let node = Installed { machine: Machine::boot(&root)?, root };
    node.serves()?;
    println!("boot to serving: {:.1} s", start.elapsed().as_secs_f64());
    ensure!(node.identity()? == identity);

    // Removed and installed again it is the same node.
    node.machine.run("dpkg --remove meshstream")?;
    ensure!(node.machine.run("pgrep meshstream").is_err(), "it has ended");
    node.machine.run("dpkg --install /root/next.deb")?;
    node.serves()?;
    ensure!(node.identity()? == identity);
    ensure!(node.json("streams")?[0]["id"] == broadcast.as_str());
    node.machine.run("dpkg --purge meshstream")?;
    ensure!(!node.root.join("/var/lib/meshstream").exists() && !node.root.join("/etc/meshstream").exists());
    Ok(())
}

#[test]
#[ignore = "asks for root and a mirror of Debian: make test-deploy"]
fn a_camera_and_its_renditions_are_encoded_by_the_confined_service() -> Result<()> {
    let node = Installed::new()?;
    let own = "[node]\ndata_dir = \"/var/lib/meshstream\"\n[segment]\ntarget_duration = \"2s\"\n\
               [[camera]]\nname = \"hall\"\nsource = \"pattern\"\nsize = \"320x180\"\nbitrate = 300\n\
               [[rendition]]\nname = \"small\"\nheight = 90\nbitrate = \"100 kbit/s\"\n";
    std::fs::write(node.root.join("/etc/meshstream/meshstream.toml"), own)?;
    node.machine.run("systemctl restart meshstream")?;
    node.serves()?;
    node.broadcast_other_than("")?;
    let playlist = until("a smaller picture", || {
        let slug = node.json("streams")?[0]["slug"].as_str().context("a slug")?.to_owned();
        let url = format!("http://127.0.0.1:8080/hls/{slug}/main.m3u8");
        let curl = output(node.machine.on_its_network("curl").args(["--silent", "--fail", &url]));
        Ok(curl.ok().filter(|playlist| playlist.contains("RESOLUTION=160x90")))
    })?;
    println!("{playlist}");
    let log = node.machine.run("journalctl --unit meshstream --no-pager --output cat")?;
    ensure!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    Ok(())
}
