//! Releases of the program over the mesh: signed, published, fetched by who trusts the key, and refused. Nothing is installed here:
//! `tests/deploy` does that, in a machine of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use testkit::node::{Node, Settings};

use crate::{MESHSTREAM, node};

/// Of several leaves.
const PACKAGE_BYTES: usize = 3_000_000;
/// Against hanging, not a measure.
const GUARD: Duration = Duration::from_secs(120);
/// How often the list is read: no event tells of releases.
const LOOK: Duration = Duration::from_millis(200);

/// A folder of packages and keys, as a maintainer has one.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> Result<String> {
        self.path(name).to_str().map(str::to_owned).context("a path in UTF-8")
    }

    /// A package of a version for an architecture, made by dpkg-deb, with bytes of its own.
    fn package(&self, version: &str, architecture: &str) -> Result<String> {
        let (tree, name) = (self.path(&format!("{version}-{architecture}")), format!("{version}_{architecture}.deb"));
        fs::create_dir_all(tree.join("DEBIAN"))?;
        let control = format!(
            "Package: meshstream\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: A <a@b.invalid>\n\
             Description: a package of a test\n"
        );
        fs::write(tree.join("DEBIAN/control"), control)?;
        let mut state = version
            .bytes()
            .chain(architecture.bytes())
            .fold(1_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        fs::write(tree.join("noise"), noise.take(PACKAGE_BYTES).collect::<Vec<_>>())?;
        output(
            Command::new("dpkg-deb").args(["-Znone", "--root-owner-group", "--build"]).arg(&tree).arg(self.path(&name)),
        )?;
        self.text(&name)
    }

    /// A key; its public part.
    fn key(&self, name: &str) -> Result<String> {
        let public = self.meshstream(&["upgrade", "key", "new", &self.text(name)?])?;
        Ok(public.trim().to_owned())
    }

    /// Signs packages, or a release, by a key.
    fn sign(&self, files: &[&str], key: &str, release: &str) -> Result<String> {
        let (key, release) = (self.text(key)?, self.text(release)?);
        let arguments = [&["upgrade", "sign", "--key", &key, "--output", &release], files].concat();
        self.meshstream(&arguments)?;
        Ok(release)
    }

    fn meshstream(&self, arguments: &[&str]) -> Result<String> {
        output(
            Command::new(MESHSTREAM)
                .args(["--data-dir", &self.text("no-node")?, "--config", "/dev/null"])
                .args(arguments),
        )
    }
}

fn output(command: &mut Command) -> Result<String> {
    let answer = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(answer.status.success(), "{command:?}: {}", String::from_utf8_lossy(&answer.stderr));
    Ok(String::from_utf8(answer.stdout)?)
}

fn architecture() -> Result<String> {
    Ok(output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

/// A node that knows another one and trusts keys.
async fn trusting(name: &str, other: &Node, upgrade: &str) -> Result<Node> {
    let (peers, tables) = (vec![other.web_address()], format!("[upgrade]\n{upgrade}\n"));
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), peers, tables, ..Settings::default() }).await
}

async fn releases(node: &Node) -> Result<Value> {
    node.cli_json(&["upgrade", "list", "--json"]).await
}

/// Waits until what a node says of releases is as wanted.
async fn until(node: &Node, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let look = async {
        loop {
            let said = releases(node).await?;
            if wanted(&said) {
                return Ok(said);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(GUARD, look).await {
        Ok(said) => said,
        Err(_) => bail!("{what}: {}", releases(node).await?),
    }
}

/// Whether the package of a version for an architecture is here.
fn holds(said: &Value, version: &str, architecture: &str) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    list(&said["releases"]).iter().filter(|release| release["version"] == version).any(|release| {
        list(&release["packages"])
            .iter()
            .any(|package| package["architecture"] == architecture && package["held"] == true)
    })
}

fn refused(said: &Value, reason: &str) -> bool {
    said["refused"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["reason"].as_str().is_some_and(|why| why.contains(reason)))
}

#[tokio::test]
async fn a_signed_release_comes_to_who_trusts_the_key_and_to_nobody_else() -> Result<()> {
    let (workshop, mine) = (Workshop::new()?, architecture()?);
    let key = workshop.key("key")?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(workshop.path("key"))?.permissions());
    ensure!(mode & 0o777 == 0o600, "others may read the secret: {mode:o}");
    let (package, other) = (workshop.package("0.2.0-1", &mine)?, workshop.package("0.2.0-1", "riscv64")?);
    let release = workshop.sign(&[&package, &other], "key", "release")?;

    let a = node("maker").await?;
    let b = trusting("trusting", &a, &format!("trusted = [\"{key}\"]")).await?;
    let c = trusting("indifferent", &a, "").await?;
    let d = trusting("far", &b, &format!("trusted = [\"{key}\"]")).await?;
    let missing =
        a.cli(&["upgrade", "publish", &release, &package]).await.err().context("half a release is published")?;
    ensure!(missing.to_string().contains("riscv64"), "{missing}");
    a.cli(&["upgrade", "publish", &release, &package, &other]).await?;

    let said = until(&b, "the package at who trusts the key", |said| holds(said, "0.2.0-1", &mine)).await?;
    ensure!(said["releases"][0]["signers"][0] == key.as_str(), "signed by another: {said}");
    ensure!(!holds(&said, "0.2.0-1", "riscv64"), "nobody asked for the other architecture: {said}");
    until(&d, "the package two hops away", |said| holds(said, "0.2.0-1", &mine)).await?;

    // A later one comes too, and takes the place of the first. So C has heard of both, and keeps neither.
    let next = workshop.package("0.2.0-2", &mine)?;
    let next_release = workshop.sign(&[&next], "key", "next")?;
    a.cli(&["upgrade", "publish", &next_release, &next]).await?;
    let said = until(&d, "the next one", |said| holds(said, "0.2.0-2", &mine)).await?;
    ensure!(said["releases"].as_array().map(Vec::len) == Some(1), "the first is kept: {said}");
    let said = releases(&c).await?;
    ensure!(said["trusted_keys"] == 0 && said["releases"] == serde_json::json!([]), "taken without a key: {said}");
    ensure!(said["refused"] == serde_json::json!([]) && !c.log().contains("release kept"), "{said}");

    // After a restart it is known without the one who made it.
    let (mut a, mut b) = (a, b);
    a.kill().await?;
    b.terminate().await?;
    b.restart().await?;
    ensure!(holds(&releases(&b).await?, "0.2.0-2", &mine), "forgotten over a restart");
    ensure!(b.cli(&["storage", "check"]).await?.contains("All is well"));
    Ok(())
}

#[tokio::test]
async fn what_is_forged_stale_or_of_strangers_is_refused_and_said_to_be() -> Result<()> {
    let (workshop, mine) = (Workshop::new()?, architecture()?);
    let (first, second) = (workshop.key("first")?, workshop.key("second")?);
    workshop.key("stranger")?;
    let a = node("maker").await?;
    let evil = node("evil").await?;
    let both = format!("trusted = [\"{first}\", \"{second}\"]\nthreshold = 2");
    let one = trusting("one", &a, &format!("trusted = [\"{first}\"]")).await?;
    let (peers, tables) = (vec![a.web_address(), evil.web_address()], format!("[upgrade]\n{both}\n"));
    let two =
        Node::start(MESHSTREAM, Settings { name: "two".to_owned(), peers, tables, ..Settings::default() }).await?;

    let package = workshop.package("0.3.0-1", &mine)?;
    let release = workshop.sign(&[&package], "first", "release")?;
    a.cli(&["upgrade", "publish", &release, &package]).await?;
    until(&one, "the release that one key signs", |said| holds(said, "0.3.0-1", &mine)).await?;
    until(&two, "one signature of two", |said| refused(said, "signed by 1 of the 2")).await?;
    ensure!(two.log().contains("release refused"), "the log does not tell");

    // The second maintainer adds a signature to the same release.
    let signed = workshop.sign(&[&release], "second", "both")?;
    a.cli(&["upgrade", "publish", &signed]).await?;
    until(&two, "both signatures", |said| holds(said, "0.3.0-1", &mine)).await?;

    // Somebody replays an older release; of the same key, and then one of a stranger, by a feed of their own.
    let old = workshop.package("0.2.9-1", &mine)?;
    let old_release = workshop.sign(&[&old], "first", "old-one")?;
    let old_release = workshop.sign(&[&old_release], "second", "old")?;
    evil.cli(&["upgrade", "publish", &old_release, &old]).await?;
    until(&two, "the downgrade refused", |said| refused(said, "0.2.9-1 is not newer than 0.3.0-1")).await?;
    let (strange, newer) = (workshop.package("9.0.0-1", &mine)?, "strange");
    let strange_release = workshop.sign(&[&strange], "stranger", newer)?;
    evil.cli(&["upgrade", "publish", &strange_release, &strange]).await?;
    until(&two, "the stranger refused", |said| refused(said, "nobody whom this node trusts")).await?;
    ensure!(!holds(&releases(&two).await?, "9.0.0-1", &mine), "a stranger's package is here");

    // A changed statement is published by nobody who can tell: the version that a trusted key has signed, raised by hand.
    let forged = fs::read_to_string(&signed)?.replace("0.3.0-1", "0.9.0-1");
    fs::write(workshop.path("forged"), forged)?;
    let why = two.cli(&["upgrade", "publish", &workshop.text("forged")?]).await.err().context("published")?.to_string();
    ensure!(why.contains("nobody has signed"), "{why}");
    let large = fs::read_to_string(&release)?.replace(&format!("package {mine} "), &format!("package {mine} 999"));
    fs::write(workshop.path("large"), large)?;
    let why = one.cli(&["upgrade", "publish", &workshop.text("large")?]).await.err().context("published")?.to_string();
    ensure!(why.contains("at most 268435456 are taken"), "{why}");

    // Other bytes by the name of a package are no package of the release.
    let why = a.cli(&["upgrade", "publish", &signed, &strange]).await.err().context("published")?.to_string();
    ensure!(why.contains("no package of this release"), "{why}");
    Ok(())
}

#[test]
fn a_key_is_never_written_over_and_a_secret_is_no_public_key() -> Result<()> {
    let workshop = Workshop::new()?;
    let key = workshop.key("key")?;
    ensure!(workshop.key("key").is_err(), "a key was written over");
    ensure!(workshop.meshstream(&["upgrade", "key", "show", &workshop.text("key")?])?.trim() == key);
    let secret = fs::read_to_string(workshop.path("key"))?;
    let secret = secret.lines().last().context("a secret")?;
    let config = workshop.path("meshstream.toml");
    fs::write(&config, format!("[upgrade]\ntrusted = [\"{secret}\"]\n"))?;
    let refused = Command::new(MESHSTREAM).arg("--config").arg(&config).args(["upgrade", "list"]).output()?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(2) && why.contains("this is the secret key"), "{why}");
    ensure!(Path::new(&config).exists() && !why.contains(&secret[20..]), "the secret is repeated: {why}");
    Ok(())
}
