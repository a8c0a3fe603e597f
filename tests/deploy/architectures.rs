//! The packages for each processor: what they ask for, and those of other processors, whose program runs under qemu-user
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::container::{KilledOnDrop, until};
use crate::{built, output, package};

#[test]
#[ignore = "asks for packages that were built across: make test-deploy"]
fn the_program_for_arm64_takes_a_broadcast_and_serves_it() -> Result<()> {
    takes_a_broadcast("arm64", "qemu-aarch64-static")
}

#[test]
#[ignore = "asks for packages that were built across: make test-deploy"]
fn the_program_for_armhf_takes_a_broadcast_and_serves_it() -> Result<()> {
    takes_a_broadcast("armhf", "qemu-arm-static")
}

#[test]
#[ignore = "asks for packages that were built across: make test-deploy"]
fn each_package_asks_for_the_libraries_that_its_program_is_linked_against() -> Result<()> {
    for architecture in ["amd64", "arm64", "armhf"] {
        let deb = package(architecture, "0.1.0-1")?;
        let depends = output(Command::new("dpkg-deb").arg("--field").arg(&deb).arg("Depends"))?;
        let asked: BTreeMap<&str, &str> = depends.split(", ").map(|each| asked_for(each.trim())).collect();

        let root = tempfile::tempdir()?;
        output(Command::new("dpkg").arg("--extract").arg(&deb).arg(root.path()))?;
        let program = root.path().join("usr/bin/meshstream");
        let dynamic = output(Command::new("readelf").args(["--wide", "--dynamic", "--version-info"]).arg(&program))?;
        let linked: BTreeSet<&str> = dynamic
            .lines()
            .filter_map(|line| line.split_once("(NEEDED)")?.1.split_once('[')?.1.strip_suffix(']'))
            .map(|library| provider(library).with_context(|| format!("{architecture}: who has {library}?")))
            .collect::<Result<_>>()?;
        let mut expected = linked;
        // Its scripts make the user.
        expected.insert("adduser");
        ensure!(
            asked.keys().copied().collect::<BTreeSet<_>>() == expected,
            "{architecture}: {depends} for {expected:?}"
        );

        let newest = dynamic.split("Name: GLIBC_").skip(1).filter_map(version).max().context("no symbols of glibc")?;
        let named = asked.get("libc6").and_then(|least| version(least)).context("no least version of libc6")?;
        ensure!(newest <= named, "{architecture}: it needs glibc {newest:?}, and the package asks for {named:?}");
    }
    Ok(())
}

/// A dependency's package and its least version. Of alternatives, which are one library under two names, the last: the
/// older name.
fn asked_for(dependency: &str) -> (&str, &str) {
    let older = dependency.rsplit(" | ").next().unwrap_or(dependency);
    older.split_once(" (>= ").map_or((older, ""), |(package, least)| (package, least.trim_end_matches(')')))
}

/// Debian 12's package that has a shared library.
fn provider(library: &str) -> Option<&'static str> {
    let (name, _) = library.split_once(".so")?;
    match name {
        "libc" | "libm" | "ld-linux-aarch64" | "ld-linux-armhf" | "ld-linux-x86-64" => Some("libc6"),
        "libgcc_s" => Some("libgcc-s1"),
        "libgio-2.0" | "libglib-2.0" | "libgobject-2.0" => Some("libglib2.0-0"),
        "libgstreamer-1.0" | "libgstbase-1.0" => Some("libgstreamer1.0-0"),
        _ => None,
    }
}

/// The numbers that a text begins with.
fn version(text: &str) -> Option<Vec<u32>> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    text[..end].split('.').map(|number| number.parse().ok()).collect()
}

#[expect(clippy::print_stdout, reason = "figures for docs/benchmarks.md")]
fn takes_a_broadcast(architecture: &str, qemu: &str) -> Result<()> {
    // The libraries that the package asks for, as Debian has them, and the package.
    let deb = package(architecture, "0.1.0-1")?;
    std::fs::create_dir_all(built("deploy"))?;
    let root = tempfile::tempdir_in(built("deploy"))?;
    output(
        Command::new("mmdebstrap")
            .args(["--quiet", "--variant=extract", "--include=libc6,libgcc-s1,libglib2.0-0,libgstreamer1.0-0"])
            .arg(format!("--architectures={architecture}"))
            // As Debian came out, like what it was linked against.
            .arg("--setup-hook=sed -i /-security/d \"$1/etc/apt/sources.list\"")
            .arg("bookworm")
            .arg(root.path()),
    )?;
    output(Command::new("dpkg").arg("--extract").arg(&deb).arg(root.path()))?;
    let program = root.path().join("usr/bin/meshstream");
    let data = root.path().join("data");
    let meshstream = |arguments: &[&str]| {
        let mut command = Command::new(qemu);
        command.arg("-L").arg(root.path()).arg(&program).args(["--config", "/dev/null", "--data-dir"]).arg(&data);
        command.args(arguments);
        command
    };
    ensure!(output(&mut meshstream(&["--version"]))?.starts_with("meshstream "));

    let start = Instant::now();
    let mut run = meshstream(&["run"]);
    for (key, value) in [
        ("INGEST__LISTEN", "127.0.0.1:0"),
        ("SSB__LISTEN", "127.0.0.1:0"),
        ("WEB__LISTEN", "127.0.0.1:0"),
        ("IPFS__LISTEN", "[\"/ip4/127.0.0.1/tcp/0\"]"),
        ("MESH__LAN_DISCOVERY", "false"),
        ("SEGMENT__TARGET_DURATION", "2s"),
        ("SEGMENT__THUMBNAILS", "false"),
        ("STORAGE__RESERVE", "1MiB"),
    ] {
        run.env(format!("MESHSTREAM_{key}"), value);
    }
    let mut node = KilledOnDrop(run.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let lines = BufReader::new(node.0.stdout.take().context("no output")?).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "ready");
    ensure!(ready, "the node ended before it was ready");
    println!("{architecture}: serves {:.1} s after its start, emulated", start.elapsed().as_secs_f64());

    let json =
        |arguments: &[&str]| -> Result<Value> { Ok(serde_json::from_str(&output(&mut meshstream(arguments))?)?) };
    let key = json(&["key", "add", "hall", "--json"])?["key"].as_str().context("a key")?.to_owned();
    let listen = json(&["status", "--json"])?["listen"].clone();
    let (rtmp, web) = (listen["rtmp"][0].as_str().context("rtmp")?, listen["web"][0].as_str().context("web")?);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-v error -re -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=frequency=440".split(' '));
    ffmpeg.args("-c:v libx264 -preset ultrafast -g 50 -b:v 1000k -pix_fmt yuv420p -c:a aac -f flv".split(' '));
    let ffmpeg = ffmpeg.arg(format!("rtmp://{rtmp}/live/hall?key={key}")).stdin(Stdio::null()).spawn()?;
    let _publisher = KilledOnDrop(ffmpeg);
    let slug = until("five segments", || {
        let broadcasts = json(&["streams", "--json"])?;
        let held = broadcasts[0]["held_segments"].as_u64().unwrap_or(0);
        Ok((held >= 5).then(|| broadcasts[0]["slug"].as_str().map(str::to_owned)).flatten())
    })?;
    let playlist = format!("http://{web}/hls/{slug}/index.m3u8");
    let decoded = ["-v", "error", "-live_start_index", "0", "-i", &playlist, "-t", "4", "-f", "null", "-"];
    output(Command::new("ffmpeg").args(decoded))?;
    let pid = node.0.id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    println!("{architecture}: {resident} with the emulator, publishing 1 Mbit/s");
    Ok(())
}
