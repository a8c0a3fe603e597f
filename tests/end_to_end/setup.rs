//! The machine around a node is set up below a directory, as for an image, by the built program and with the tools whose files it
//! writes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::MESHSTREAM;

/// A card for a machine: what Debian has there that setups look at.
struct Image {
    root: TempDir,
}

const HOSTS: &str = "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n";

const ACCESS_POINT: &str = "country = \"CA\"\nmesh = \"tomesh\"\nsuffix = \"1a2b\"\npassphrase = \"long enough\"\nsecurity = \"wpa2+wpa3\"\n\
    channel = 40\nwidth = 80\n[mesh_point]\nchannel = 149\n";

/// Of a person, with comments and a peer.
const YGGDRASIL: &str = "# mine\n{\n  # friends\n  Peers:\n  [\n    tls://192.0.2.1:1 \n  ]\n  MulticastInterfaces: []\n  IfName: ygg0\n  \
    PublicKey: f598c812544de1d9933b7862e7fc18be4967e1493c1a28f01638944ea6c04478\n  \
    # Nobody's.\n  \
    PrivateKey: 7d636601a4ba9cb62479b53f77d9e9993024307461ac8d8b056c9fbf4091e13cf598c812544de1d9933b7862e7fc18be4967e1493c1a28f01638944ea6c04478\n}\n";

impl Image {
    fn new() -> Result<Self> {
        let image = Self { root: tempfile::tempdir()? };
        for (path, text) in [
            ("etc/hostname", "raspberrypi\n"),
            ("etc/hosts", HOSTS),
            ("usr/sbin/NetworkManager", ""),
            ("lib/systemd/system/yggdrasil.service", "[Service]\nExecStart=/bin/true\n"),
            ("var/lib/dpkg/status", ""),
        ] {
            image.write(path, text)?;
        }
        Ok(image)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.path(path);
        fs::create_dir_all(path.parent().context("a path below the root")?)?;
        Ok(fs::write(path, text)?)
    }

    fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.path(path)).with_context(|| path.to_owned())
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let root = self.root.path().to_str().context("a path of UTF-8")?;
        Ok(Command::new(MESHSTREAM).arg("setup").args(arguments).args(["--root", root]).output()?)
    }

    /// Runs it, and gives what it says.
    fn setup(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments)?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// Ensures that it fails with this status, and gives why.
    fn refused(&self, arguments: &[&str], status: i32) -> Result<String> {
        let output = self.run(arguments)?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(status), "{arguments:?}: {:?} {said}", output.status);
        Ok(said)
    }

    /// All files, links and directories, and what is in them.
    fn contents(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![self.root.path().to_owned()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                let kind = fs::symlink_metadata(&path)?;
                let text = if kind.is_symlink() {
                    format!("link to {}", fs::read_link(&path)?.display())
                } else if kind.is_dir() {
                    waiting.push(path.clone());
                    "directory".to_owned()
                } else {
                    format!("{:o} {}", kind.permissions().mode(), String::from_utf8_lossy(&fs::read(&path)?))
                };
                found.insert(path, text);
            }
        }
        Ok(found)
    }
}

fn accepts(program: &str, arguments: &[&str], file: &Path) -> Result<()> {
    let output = Command::new(program).args(arguments).arg(file).output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn a_dry_run_shows_a_diff_and_writes_nothing() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    let before = image.contents()?;
    let said = image.setup(&["access-point", "--dry-run"])?;
    for line in [
        "+++ b/etc/meshstream/access-point/hostapd.conf",
        "+ssid=tomesh-1a2b",
        "--- a/etc/hostname",
        "-raspberrypi",
        "+tomesh-1a2b",
        "+wpa_passphrase=…",
        "+link to ../meshstream-ap-hostapd.service",
        "+unmanaged-devices+=interface-name:wlan0;interface-name:wlan1",
    ] {
        ensure!(said.lines().any(|found| found == line), "{line}: {said}");
    }
    ensure!(!said.contains("long enough") && !said.contains("would run"), "{said}");
    ensure!(image.contents()? == before, "something was written");
    Ok(())
}

#[test]
fn an_access_point_is_set_up_once_changed_and_undone_byte_for_byte() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    let before = image.contents()?;
    image.setup(&["access-point"])?;
    ensure!(image.read("etc/hostname")? == "tomesh-1a2b\n");
    ensure!(image.read("etc/hosts")? == "127.0.0.1\tlocalhost\n127.0.1.1\ttomesh-1a2b\n");
    let secret = fs::metadata(image.path("etc/meshstream/access-point/hostapd.conf"))?.permissions().mode();
    ensure!(secret & 0o777 == 0o600, "{secret:o}");

    let once = image.contents()?;
    let said = image.setup(&["access-point"])?;
    ensure!(said.contains("nothing to change"), "{said}");
    ensure!(image.contents()? == once, "the second run changed something");

    image.write("etc/meshstream/access-point.toml", "country = \"CA\"\nchannel = 11\nsuffix = \"9\"\n")?;
    image.setup(&["access-point"])?;
    let hostapd = image.read("etc/meshstream/access-point/hostapd.conf")?;
    ensure!(hostapd.contains("\nssid=mesh-9\n") && hostapd.contains("\nchannel=11\n"), "{hostapd}");
    ensure!(!image.path("etc/systemd/system/meshstream-mesh-point.service").exists(), "it is wanted no more");

    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    let said = image.setup(&["access-point", "--undo", "--dry-run"])?;
    ensure!(said.contains("+raspberrypi"), "{said}");
    image.setup(&["access-point", "--undo"])?;
    ensure!(image.contents()? == before, "undone is not as before: {:?}", image.contents()?.keys());
    let said = image.setup(&["access-point", "--undo"])?;
    ensure!(said.contains("nothing to undo"), "{said}");
    Ok(())
}

#[test]
fn the_programs_take_the_files_that_are_made_for_them() -> Result<()> {
    for settings in [
        "country = \"CA\"\nsuffix = \"1\"\n",
        "country = \"DE\"\nsuffix = \"1\"\npassphrase = \"long enough\"\nchannel = 100\nwidth = 40\n",
        "country = \"US\"\nsuffix = \"1\"\npassphrase = \"12345678\"\nsecurity = \"wpa3\"\nband = \"5GHz\"\nclient_isolation = false\n",
        ACCESS_POINT,
    ] {
        let image = Image::new()?;
        image.write("etc/meshstream/access-point.toml", settings)?;
        let said = image.setup(&["access-point"])?;
        // nft asks the kernel, which tells root alone.
        let root = fs::metadata("/proc/self")?.uid() == 0;
        ensure!(!said.contains("not checked") || !root, "{said}");
        let path = |name: &str| image.path("etc/meshstream/access-point").join(name);
        accepts("dnsmasq", &["--test", "-C"], &path("dnsmasq.conf"))?;
        if root {
            accepts("nft", &["-c", "-f"], &path("portal.nft"))?;
        }
        accepts("radvd", &["--configtest", "-C"], &path("radvd.conf"))?;
        // It has no mode that only checks, and no radio here: it fails, but not for its settings.
        let text =
            image.read("etc/meshstream/access-point/hostapd.conf")?.replace("interface=wlan0", "interface=no/device");
        fs::write(path("checked.conf"), text)?;
        let output = Command::new("timeout").args(["20", "hostapd"]).arg(path("checked.conf")).output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() == Some(1) && !said.contains("errors found"), "{settings}: {said}");
    }
    Ok(())
}

#[test]
fn phones_are_told_of_the_portal_s_account_where_the_node_of_the_image_has_a_certificate() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    let node = "[web]\nnames = [\"video.example.org\"]\ndevices = [\"eth0\"]\ntls = { certificate = \"/c.pem\", key = \"/k.pem\" }\n";
    image.write("etc/meshstream/meshstream.toml", node)?;
    let said = image.setup(&["access-point"])?;
    ensure!(said.contains("add \"wlan0\" to web.devices"), "{said}");
    let text = image.read("etc/meshstream/access-point/dnsmasq.conf")?;
    ensure!(text.contains("\ndhcp-option=114,https://video.example.org:8443/captive-portal/api\n"), "{text}");
    accepts("dnsmasq", &["--test", "-C"], &image.path("etc/meshstream/access-point/dnsmasq.conf"))
}

#[test]
fn a_file_that_a_person_changed_is_kept_and_nothing_else_is_touched() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    image.setup(&["access-point"])?;
    let hostapd = "etc/meshstream/access-point/hostapd.conf";
    let mine = image.read(hostapd)?.replace("channel=40", "channel=44");
    fs::write(image.path(hostapd), &mine)?;
    let before = image.contents()?;

    image.write("etc/meshstream/access-point.toml", &ACCESS_POINT.replace("tomesh", "other"))?;
    for arguments in [&["access-point"][..], &["access-point", "--dry-run"], &["access-point", "--undo"]] {
        let said = image.refused(arguments, 1)?;
        ensure!(said.contains("hostapd.conf was changed") && said.contains("--force"), "{said}");
    }
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    ensure!(image.contents()? == before, "something was changed");

    image.setup(&["access-point", "--force"])?;
    ensure!(image.read(hostapd)?.contains("channel=40"));
    image.setup(&["access-point", "--undo"])?;
    ensure!(image.read(hostapd)? == mine, "what was replaced comes back");
    Ok(())
}

#[test]
fn a_file_of_somebody_else_is_not_taken_over() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/access-point.toml", ACCESS_POINT)?;
    image.write("etc/NetworkManager/conf.d/meshstream.conf", "# mine\n")?;
    let before = image.contents()?;
    let said = image.refused(&["access-point"], 1)?;
    ensure!(said.contains("/etc/NetworkManager/conf.d/meshstream.conf is there"), "{said}");
    ensure!(image.contents()? == before, "something was changed");
    Ok(())
}

#[test]
fn wrong_settings_are_named_and_end_with_status_2() -> Result<()> {
    let image = Image::new()?;
    let said = image.refused(&["access-point"], 2)?;
    ensure!(said.contains("--example"), "{said}");
    for (text, key) in
        [("mesh = \"a\"", "country"), ("country = \"CA\"\nssid = \"a\"", "ssid"), ("country = \"CA\"\n", "suffix")]
    {
        image.write("etc/meshstream/access-point.toml", text)?;
        let said = image.refused(&["access-point"], 2)?;
        ensure!(said.contains(key), "{said}");
    }
    image.write("etc/meshstream/mesh.toml", "[yggdrasil]\npeers = [\"example.org\"]\n")?;
    let said = image.refused(&["mesh"], 2)?;
    ensure!(said.contains("key yggdrasil.peers"), "{said}");
    Ok(())
}

#[test]
fn peers_are_added_to_a_person_s_settings_which_stay_as_they_are() -> Result<()> {
    let image = Image::new()?;
    let file = "etc/yggdrasil/yggdrasil.conf";
    image.write(file, YGGDRASIL)?;
    image
        .write("etc/meshstream/mesh.toml", "[yggdrasil]\npeers = [\"tls://192.0.2.2:2\"]\ndiscover = [\"wlan1\"]\n")?;
    let before = image.contents()?;
    let said = image.setup(&["mesh", "--dry-run"])?;
    ensure!(said.contains("+    \"tls://192.0.2.2:2\",") && image.contents()? == before, "{said}");

    image.setup(&["mesh"])?;
    let output =
        Command::new("yggdrasil").args(["-normaliseconf", "-json", "-useconffile"]).arg(image.path(file)).output()?;
    let read: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(read["Peers"] == serde_json::json!(["tls://192.0.2.2:2", "tls://192.0.2.1:1"]), "{read}");
    ensure!(read["MulticastInterfaces"][0]["Regex"] == "^wlan1$" && read["IfName"] == "ygg0", "{read}");
    let link = image.path("etc/systemd/system/multi-user.target.wants/yggdrasil.service");
    ensure!(fs::read_link(link)? == Path::new("/lib/systemd/system/yggdrasil.service"));
    ensure!(image.setup(&["mesh"])?.contains("nothing to change"));

    // A person goes on editing: that stays, and what was added follows the small file.
    image.write(file, &image.read(file)?.replace("IfName: ygg0", "IfName: ygg1"))?;
    image.write("etc/meshstream/mesh.toml", "[yggdrasil]\npeers = [\"tls://192.0.2.3:3\"]\n")?;
    image.setup(&["mesh"])?;
    let text = image.read(file)?;
    ensure!(text.contains("192.0.2.3") && !text.contains("192.0.2.2") && text.contains("IfName: ygg1\n"), "{text}");
    image.setup(&["mesh", "--undo"])?;
    ensure!(image.read(file)? == YGGDRASIL.replace("ygg0", "ygg1"), "{}", image.read(file)?);
    Ok(())
}

#[test]
fn what_was_added_and_changed_by_a_person_is_named_and_kept() -> Result<()> {
    let image = Image::new()?;
    let file = "etc/yggdrasil/yggdrasil.conf";
    image.write(file, YGGDRASIL)?;
    image.write("etc/meshstream/mesh.toml", "[yggdrasil]\npeers = [\"tls://192.0.2.2:2\"]\n")?;
    image.setup(&["mesh"])?;
    let mine = image.read(file)?.replace("192.0.2.2:2", "192.0.2.2:22");
    image.write(file, &mine)?;
    for arguments in [&["mesh"][..], &["mesh", "--undo"]] {
        let said = image.refused(arguments, 1)?;
        ensure!(said.contains("yggdrasil.conf was changed"), "{said}");
    }
    ensure!(image.read(file)? == mine);
    Ok(())
}

#[test]
fn an_image_gets_no_keys_and_joins_a_community() -> Result<()> {
    let image = Image::new()?;
    image.write("etc/meshstream/mesh.toml", "[yggdrasil]\n")?;
    let said = image.refused(&["mesh"], 1)?;
    ensure!(said.contains("keys") && !image.path("etc/yggdrasil").exists(), "{said}");

    image.write("etc/yggdrasil/yggdrasil.conf", YGGDRASIL)?;
    image.write("etc/meshstream/meshstream.toml", "[node]\ndata_dir = \"/var/lib/meshstream\"\n")?;
    let made = tempfile::tempdir()?;
    let data_dir = made.path().to_str().context("a path of UTF-8")?;
    let output = Command::new(MESHSTREAM).args(["community", "new", "--json", "--data-dir", data_dir]).output()?;
    let made: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let invite = made["invite"].as_str().context("an invite")?;
    let said = image.setup(&["mesh", "--community", invite])?;
    ensure!(said.contains("community of the invite"), "{said}");
    ensure!(image.read("var/lib/meshstream/identity/community")?.trim() == invite);
    let said = image.refused(&["mesh", "--community", "nonsense"], 2)?;
    ensure!(!said.is_empty());
    Ok(())
}
