//! What maintainers do: keys, signatures, and putting a release on the mesh.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use futures::StreamExt as _;
use node_router::FileOutline;
use rand::RngCore as _;
use release::{MAX_PACKAGE_BYTES, MAX_STATEMENT_BYTES, PACKAGE_NAME, Package, SecretKey, Statement};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use stream_model::Announce;

use super::Key;
use crate::cli::transfer;
use crate::config::Config;
use crate::control::Client;
use crate::durable;
use crate::output::print;
use crate::upgrade::Fields;

/// How a statement begins; a package begins otherwise.
const STATEMENT: &[u8] = b"meshstream release ";

#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The packages of the release, one for each architecture; or a release to which a signature is added
    #[arg(required = true, value_name = "PACKAGE.deb|RELEASE")]
    files: Vec<PathBuf>,
    /// The file with the secret key; may be given more than once
    #[arg(long, required = true, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Where the release is written; meshstream_VERSION.release, or the release that is added to
    #[arg(long, short, value_name = "RELEASE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// What 'meshstream upgrade sign' wrote
    release: PathBuf,
    /// The packages of the release, those that are not here yet
    #[arg(value_name = "PACKAGE.deb")]
    packages: Vec<PathBuf>,
    /// Keep the release here, and tell no other node
    #[arg(long)]
    no_announce: bool,
}

/// Makes or shows a key.
pub(super) fn key(command: &Key) -> anyhow::Result<()> {
    match command {
        Key::New { file } => {
            let mut seed = [0; 32];
            rand::rngs::OsRng.fill_bytes(&mut seed);
            let secret = SecretKey::from_seed(&seed);
            durable::create(file, secret.to_file().as_bytes())
                .with_context(|| format!("cannot write {}: name a file that is not there yet", file.display()))?;
            print(|out| {
                writeln!(out, "{}", secret.public())?;
                writeln!(
                    std::io::stderr(),
                    "The secret is in {}. Keep it, and a copy, off the nodes; nodes get the line above, in upgrade.trusted.",
                    file.display()
                )
            })
        }
        Key::Show { file } => {
            let secret = read_key(file)?;
            print(|out| writeln!(out, "{}", secret.public()))
        }
    }
}

fn read_key(file: &Path) -> anyhow::Result<SecretKey> {
    let text = read_short(file, 4096)?;
    SecretKey::from_file(&text).with_context(|| format!("{} is of no use", file.display()))
}

fn read_short(file: &Path, most: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = opened.take(most as u64 + 1).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(text.len() <= most, "{} is too long to be what it should be", file.display());
    Ok(text)
}

/// A release as a file.
pub(super) fn read_release(file: &Path) -> anyhow::Result<Statement> {
    let text = read_short(file, MAX_STATEMENT_BYTES)?;
    Statement::parse(&text).with_context(|| format!("{} is no release", file.display()))
}

/// Signs. Blocks.
pub(super) fn sign(options: &Sign) -> anyhow::Result<()> {
    let added_to = match options.files.as_slice() {
        [file] if is_statement(file)? => Some(file),
        _ => None,
    };
    let mut statement = match added_to {
        Some(file) => read_release(file)?,
        None => state(&options.files)?,
    };
    for file in &options.key {
        statement.sign(&read_key(file)?)?;
    }
    let named = || PathBuf::from(format!("{PACKAGE_NAME}_{}.release", statement.version()));
    let output = options.output.clone().or_else(|| added_to.cloned()).unwrap_or_else(named);
    durable::install(&output, statement.to_text().as_bytes(), durable::Access { mode: 0o644, owner: None })
        .with_context(|| format!("cannot write {}", output.display()))?;
    print(|out| {
        let architectures: Vec<_> = statement.packages().iter().map(|package| package.architecture.as_str()).collect();
        writeln!(
            out,
            "{}: version {} for {}, signed by",
            output.display(),
            statement.version(),
            architectures.join(", ")
        )?;
        statement.signers().iter().try_for_each(|signer| writeln!(out, "  {signer}"))
    })
}

fn is_statement(file: &Path) -> anyhow::Result<bool> {
    let mut begin = Vec::new();
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    opened.take(STATEMENT.len() as u64).read_to_end(&mut begin)?;
    Ok(begin == STATEMENT)
}

/// The statement of packages, which is still to be signed.
fn state(files: &[PathBuf]) -> anyhow::Result<Statement> {
    let (mut version, mut packages) = (None, Vec::new());
    for file in files {
        let fields = Fields::of(file)?;
        ensure!(fields.name == PACKAGE_NAME, "{} is the package {}, not {PACKAGE_NAME}", file.display(), fields.name);
        let of_release = version.get_or_insert_with(|| fields.version.clone());
        if of_release.as_str() != fields.version.as_str() {
            bail!("{} has version {}, another one {of_release}: a release has one", file.display(), fields.version);
        }
        packages.push(describe(file, fields.architecture)?);
    }
    let version = version.context("a release has a package")?;
    Ok(Statement::new(version, packages)?)
}

fn describe(file: &Path, architecture: String) -> anyhow::Result<Package> {
    let cannot = || format!("cannot read {}", file.display());
    let bytes = file.metadata().with_context(cannot)?.len();
    ensure!(bytes <= MAX_PACKAGE_BYTES, "{} has {bytes} bytes: at most {MAX_PACKAGE_BYTES} are taken", file.display());
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open(file).with_context(cannot)?, &mut digest).with_context(cannot)?;
    let outline = FileOutline::of(BufReader::new(File::open(file).with_context(cannot)?)).with_context(cannot)?;
    ensure!(outline.bytes() == bytes, "{} changed while it was read", file.display());
    Ok(Package { architecture, bytes, sha256: digest.finalize().into(), cid: outline.cid() })
}

/// What the node says of a package that it took.
#[derive(Debug, Deserialize)]
struct Added {
    roots: Vec<String>,
}

/// Gives a release to the running node, its packages first.
pub(super) async fn publish(config: &Config, options: Publish) -> anyhow::Result<()> {
    let statement = read_release(&options.release)?;
    ensure!(
        !statement.signers().is_empty(),
        "nobody has signed {}: 'meshstream upgrade sign' does",
        options.release.display()
    );
    let client = Client::require(&config.node.data_dir).await?;
    for file in &options.packages {
        let cannot = || format!("cannot read {}", file.display());
        let opened = File::open(file).with_context(cannot)?;
        let outlined = tokio::task::spawn_blocking(move || FileOutline::of(BufReader::new(opened)));
        let outline = outlined.await.with_context(cannot)?.with_context(cannot)?;
        let cid = outline.cid();
        ensure!(
            statement.packages().iter().any(|package| package.cid == cid),
            "{} is no package of this release: its bytes differ from those that were signed",
            file.display()
        );
        let bytes = outline.bytes();
        let car = outline.car(BufReader::new(File::open(file).with_context(cannot)?));
        let added: Added =
            transfer::import_pieces(&client, "/control/releases/package.car", car.boxed(), bytes).await?;
        ensure!(added.roots == [cid.to_string()], "the node's answer is not understood");
    }
    let announce = if options.no_announce { Announce::Nobody } else { Announce::Feed };
    let body = json!({ "statement": statement.to_text(), "announce": announce });
    client.post_nothing("/control/releases", &body).await?;
    print(|out| match announce {
        Announce::Feed => writeln!(out, "Version {} is on the mesh, from this node on.", statement.version()),
        Announce::Nobody => writeln!(out, "Version {} is kept here; no other node was told.", statement.version()),
    })
}
