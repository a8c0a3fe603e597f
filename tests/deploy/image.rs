//! Images: what is on them, and machines that start from them.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::container::until_within;
use crate::emulator::{Board, Emulated};
use crate::{built, output};

/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(20 * 60);

const PASSWORD: &str = "four-words-of-mine";

/// A partition of an image, mounted for reading. Gone when dropped.
struct Mounted {
    folder: TempDir,
}

impl Mounted {
    fn of(image: &Path, number: usize) -> Result<Self> {
        let table: Value = serde_json::from_str(&output(Command::new("sfdisk").arg("--json").arg(image))?)?;
        let table = &table["partitiontable"];
        ensure!(table["label"] == "dos" && table["partitions"].as_array().map(Vec::len) == Some(3), "{table}");
        let partition = &table["partitions"][number - 1];
        let start = partition["start"].as_u64().context("no start")?;
        ensure!(start % 8192 == 0, "partition {number} does not begin where cards erase: {start}");
        let folder = tempfile::tempdir()?;
        let options =
            format!("loop,ro,offset={},sizelimit={}", start * 512, partition["size"].as_u64().unwrap_or(0) * 512);
        output(Command::new("mount").args(["--options", &options]).arg(image).arg(folder.path()))?;
        Ok(Self { folder })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.path(path)).with_context(|| path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).status();
    }
}

fn has_what_a_machine_needs_and_nothing_of_its_own(board: Board) -> Result<()> {
    let image = board.image()?;
    let root = Mounted::of(&image, 2)?;
    ensure!(root.read("/etc/machine-id")?.is_empty(), "every machine would have one id");
    ensure!(root.read("/etc/os-release")?.contains("bookworm"));
    for unit in ["meshstream.service", "meshstream-first-boot.path", "ssh.service", "systemd-networkd.service"] {
        let link = format!("/etc/systemd/system/multi-user.target.wants/{unit}");
        ensure!(root.path(&link).symlink_metadata().is_ok(), "{unit} does not start");
    }
    for secret in ["/etc/ssh/ssh_host_ed25519_key", "/var/lib/systemd/random-seed", "/etc/yggdrasil/yggdrasil.conf"] {
        ensure!(root.path(secret).symlink_metadata().is_err(), "every machine would have the same {secret}");
    }
    let shadow = root.read("/etc/shadow")?;
    for line in shadow.lines() {
        let password = line.split(':').nth(1).unwrap_or_default();
        ensure!(password.starts_with(['!', '*']), "{line}: an account that everybody knows how to enter");
    }
    let program = root.path("/usr/bin/meshstream");
    let kind = output(Command::new("file").arg("--brief").arg(&program))?;
    let processor = if board == Board::Pi { "aarch64" } else { "x86-64" };
    ensure!(kind.contains(processor), "{kind}");

    let data = Mounted::of(&image, 3)?;
    let node: Vec<_> = data
        .path("meshstream")
        .read_dir()?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    ensure!(node == ["first-boot"], "the node of an image has no identity yet: {node:?}");
    drop(data);

    let boot = format!("{}@@4M", image.display());
    let files = output(Command::new("mdir").args(["-b", "-/", "-i", &boot]))?;
    let needed: &[&str] = match board {
        Board::Pi => &[
            "vmlinuz",
            "initrd.img",
            "config.txt",
            "cmdline.txt",
            "bootcode.bin",
            "start.elf",
            "start4.elf",
            "fixup.dat",
            "fixup4.dat",
            "bcm2837-rpi-zero-2-w.dtb",
            "bcm2837-rpi-3-b.dtb",
            "bcm2837-rpi-3-b-plus.dtb",
            "bcm2711-rpi-4-b.dtb",
        ],
        Board::Pc => &["vmlinuz", "initrd.img", "EFI/BOOT/BOOTX64.EFI", "loader/entries/meshstream.conf"],
    };
    for file in needed {
        ensure!(
            files.lines().any(|line| line.trim_start_matches("::/").eq_ignore_ascii_case(file)),
            "no {file} in:\n{files}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "asks for root and an image: make test-image"]
fn the_image_of_a_pc_has_what_it_needs_and_nothing_of_its_own() -> Result<()> {
    has_what_a_machine_needs_and_nothing_of_its_own(Board::Pc)
}

#[test]
#[ignore = "asks for root and an image: make test-image"]
fn the_image_of_a_raspberry_pi_has_what_it_needs_and_nothing_of_its_own() -> Result<()> {
    has_what_a_machine_needs_and_nothing_of_its_own(Board::Pi)
}

/// From a card to a node with an owner, over the machine's own WiFi.
#[expect(clippy::print_stdout, reason = "figures for docs/benchmarks.md")]
fn becomes_what_its_owner_fills_in(board: Board) -> Result<Emulated> {
    let start = Instant::now();
    let mut machine = Emulated::start(board)?;
    machine.serves()?;
    println!("{}: power to serving {:.0} s, emulated", board.name(), start.elapsed().as_secs_f64());
    ensure!(machine.run("cat /run/meshstream-system/choice")? == "keep");
    ensure!(machine.run("cat /etc/machine-id")?.len() == 32);
    let data: u64 = machine.run("df --block-size=1M --output=size /var/lib/meshstream | tail -n 1")?.trim().parse()?;
    ensure!(data > 1_500, "the data partition has {data} MiB: it did not grow");
    ensure!(machine.run("touch /run/meshstream-system/original/x && echo written || true")?.contains("Read-only"));

    // A phone joins the open network, and is led to the page.
    machine.until("an access point", "systemctl is-active meshstream-ap-hostapd meshstream-ap-dnsmasq")?;
    let network = machine.run("cat /etc/hostname")?;
    ensure!(network.starts_with("mesh-"), "{network}");
    machine.run("ip netns add phone && iw phy phy1 set netns name phone && ip -n phone link set wlan1 up")?;
    machine.until(
        "a phone in the network",
        &format!(
            "ip netns exec phone iw dev wlan1 link | grep -q 'SSID: {network}' || \
             {{ ip netns exec phone iw dev wlan1 connect {network}; false; }}"
        ),
    )?;
    machine.run("ip -n phone address add 10.0.0.77/24 dev wlan1")?;
    let page = machine.until(
        "the node, seen by the phone",
        "timeout 30 ip netns exec phone bash -c 'exec 3<>/dev/tcp/10.0.0.1/80; \
         printf \"GET / HTTP/1.1\\r\\nHost: 10.0.0.1\\r\\nConnection: close\\r\\n\\r\\n\" >&3; cat <&3' | grep -i location",
    )?;
    ensure!(page.contains("/first-boot"), "{page}");

    let origin = format!("Origin: {}", machine.url(""));
    let form = format!(
        "name=Hall&password={PASSWORD}&again={PASSWORD}&country=ca&wifi=tomesh&wifi_passphrase=&community=new&invite="
    );
    machine.ask("/first-boot", &["--header", &origin, "--data", &form])?;
    becomes_hall(&machine)?;
    machine.until("its access point", "systemctl is-active meshstream-ap-hostapd && grep -x ssid=tomesh-0000 /etc/meshstream/access-point/hostapd.conf")?;
    ensure!(machine.run("grep country_code /etc/meshstream/access-point/hostapd.conf")? == "country_code=CA");
    ensure!(machine.run("meshstream community show --invite")?.starts_with("meshstream-community:"));
    let token = format!("token={PASSWORD}&next=");
    let entered = machine.ask("/admin/enter", &["--header", &origin, "--data", &token, "--include"])?;
    ensure!(entered.to_lowercase().contains("set-cookie"), "the owner is not let in: {entered}");
    let greeting =
        until_within(GUARD, "SSH", || Ok(greeting(machine.ssh()).ok().filter(|text| text.starts_with("SSH-2.0"))))?;
    ensure!(!greeting.is_empty());
    ensure!(
        machine.run("systemctl --failed --plain --no-legend | wc -l")? == "0",
        "{}",
        machine.run("systemctl --failed")?
    );
    Ok(machine)
}

/// Waits until it is the node that its owner wished.
fn becomes_hall(machine: &Emulated) -> Result<()> {
    until_within(GUARD, "the node that was wished", || {
        let named = machine.ask("/api/v1/node", &[]).is_ok_and(|node| node.contains("\"name\":\"Hall\""));
        Ok((named && machine.ask("/first-boot", &[]).is_err()).then_some(()))
    })
}

fn greeting(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut text = [0; 16];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[test]
#[ignore = "asks for root and an image: make test-image"]
fn a_pc_starts_from_its_image_has_an_owner_and_keeps_or_forgets() -> Result<()> {
    let mut machine = becomes_what_its_owner_fills_in(Board::Pc)?;
    let identity = machine.run("meshstream status --json")?;
    let feed = |status: &str| -> Result<String> {
        Ok(serde_json::from_str::<Value>(status)?["node"]["feed"].as_str().context("no feed")?.to_owned())
    };
    let entry = "/boot/firmware/loader/entries/meshstream.conf";
    machine.run(&format!("touch /etc/kept && sed -i '/^options/s/$/ meshstream.system=forget/' {entry}"))?;
    machine.reboot()?;
    ensure!(machine.run("cat /run/meshstream-system/choice")? == "forget");
    machine.run("test -e /etc/kept && touch /etc/forgotten")?;
    ensure!(feed(&machine.run("meshstream status --json")?)? == feed(&identity)?, "the node is another one");
    machine.run(&format!("sed -i 's/=forget/=original/' {entry}"))?;
    machine.reboot()?;
    ensure!(machine.run("cat /run/meshstream-system/choice")? == "original");
    machine.run("test ! -e /etc/kept && test ! -e /etc/forgotten")?;
    machine.run(&format!("sed -i 's/=original/=keep/' {entry}"))?;
    machine.reboot()?;
    machine.run("test -e /etc/kept && test ! -e /etc/forgotten")?;
    ensure!(feed(&machine.run("meshstream status --json")?)? == feed(&identity)?, "the node is another one");
    Ok(())
}

#[test]
#[ignore = "asks for root and an image: make test-image"]
fn the_system_for_a_raspberry_pi_starts_and_has_an_owner() -> Result<()> {
    becomes_what_its_owner_fills_in(Board::Pi).map(drop)
}

#[test]
#[ignore = "asks for root and an image: make test-image"]
fn a_card_with_a_file_of_wishes_becomes_what_it_says_once_it_is_right() -> Result<()> {
    let example = include_str!("../../deploy/image/first-boot.toml.example");
    ensure!(example.contains("password = \"\""), "the example has another password");
    // Copied, and not filled in.
    let mut machine = Emulated::start_with(Board::Pc, Some(example))?;
    machine.serves()?;
    let problem = machine.until("what is wrong", "cat /boot/firmware/first-boot-problem.txt")?;
    ensure!(problem.contains("password"), "{problem}");
    ensure!(machine.ask("/first-boot", &[]).is_ok(), "it waits for nobody any more");

    let file = "/boot/firmware/first-boot.toml";
    machine.run(&format!("sed -i 's/^password = .*/password = \"{PASSWORD}\"/' {file}"))?;
    machine.reboot()?;
    becomes_hall(&machine)?;
    machine.until(
        "a card without a password",
        &format!("test ! -e {file} && test ! -e /boot/firmware/first-boot-problem.txt"),
    )?;
    machine.until("its access point", "systemctl is-active meshstream-ap-hostapd")?;
    Ok(())
}

#[test]
#[ignore = "asks for root and an image, and builds it a second time: make test-image"]
fn an_image_that_is_built_again_is_the_same() -> Result<()> {
    let image = Board::Pc.image()?;
    let again = built("image/again");
    output(Command::new("deploy/image/build.sh").arg("pc").env("MESHSTREAM_IMAGE_OUTPUT", &again))?;
    let name = image.file_name().context("no name")?;
    output(Command::new("cmp").arg(&image).arg(again.join(name)))?;
    std::fs::remove_dir_all(again)?;
    Ok(())
}
