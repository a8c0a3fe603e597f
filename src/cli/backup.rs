//! `meshstream backup` and `meshstream restore`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use ssb_announcer::identity::{Identity, IdentityError, Machine, Place};
use streamer::keys::KeyStore;

use crate::backup::{Backup, SECRET};
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::data_dir::{DataDir, give_to_owner, secret_file, streamer_database};
use crate::durable;
use crate::output::print;

/// Stands for standard output, and standard input.
const PIPE: &str = "-";

/// Beside what it stores, since only root may write to `/etc`.
const RESTORED: &str = "restored-meshstream.toml";

#[derive(Debug, Args)]
pub(crate) struct Write {
    /// A new file, which gets mode 0600; - for standard output
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file of 'meshstream backup'; - for standard input
    file: PathBuf,
}

/// Writes a backup, also while the node runs: what it carries is written whole, or not at all.
pub(super) async fn write(config: &Config, configuration: &Path, options: Write) -> anyhow::Result<()> {
    let data_dir = &config.node.data_dir;
    let _lock = match Client::connect(data_dir).await? {
        Connection::Running(_) => None,
        Connection::NotRunning => Some(DataDir::lock_as_is(data_dir)?),
    };
    let identity = Identity::load(&secret_file(data_dir)).context(
        "nothing to back up: 'meshstream run' makes an identity, and --data-dir names the directory of another node",
    )?;
    let keys = KeyStore::open(&streamer_database(data_dir))?.records().await?;
    give_to_owner(data_dir)?;
    let backup = Backup::gather(data_dir, identity.id(), keys, Some(configuration))?;
    let mut bytes = Vec::new();
    backup.write_to(&mut bytes)?;
    let file = &options.file;
    if file == Path::new(PIPE) {
        return print(|out| out.write_all(&bytes));
    }
    match durable::create(file, &bytes) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} exists already and is left as it is: name a new file", file.display())
        }
        written => written.with_context(|| format!("cannot write {}", file.display()))?,
    }
    print(|out| {
        writeln!(
            out,
            "{} holds the identity {}, {} stream keys and the settings; not what the node stores.",
            file.display(),
            backup.feed,
            backup.keys.len()
        )?;
        writeln!(out, "Whoever has it can write as this node: keep it secret. 'meshstream restore' takes it.")
    })
}

/// Makes a node without an identity the one of a backup.
pub(super) async fn restore(config: &Config, options: Restore) -> anyhow::Result<()> {
    let path = &config.node.data_dir;
    if let Connection::Running(_) = Client::connect(path).await? {
        bail!("a node runs with the data directory {}: stop it first", path.display());
    }
    let shown = options.file.display();
    let input: Box<dyn Read> = if options.file == Path::new(PIPE) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&options.file).with_context(|| format!("cannot read {shown}"))?)
    };
    let backup = Backup::read_from(input).with_context(|| format!("cannot restore {shown}"))?;
    let _lock = DataDir::lock_as_is(path)?;
    let done = put_back(path, &backup).await;
    give_to_owner(path)?;
    let Restored { stay, keys, configuration } = done?;
    print(|out| {
        writeln!(out, "This node is {} again, with {keys} stream keys.", backup.feed)?;
        for file in &stay {
            writeln!(out, "{} was there already and stays as it is.", file.display())?;
        }
        if let Some(file) = &configuration {
            let file = file.display();
            writeln!(out, "Its configuration is {file}: compare it with /etc/meshstream/meshstream.toml.")?;
        }
        writeln!(
            out,
            "Nothing is announced before its feed was looked for: run 'meshstream ssb recover' next, near nodes that know it."
        )
    })
}

/// What a restore has done.
struct Restored {
    /// Files that were there already and are other ones.
    stay: Vec<PathBuf>,
    keys: usize,
    configuration: Option<PathBuf>,
}

/// Everything into a data directory that is locked.
async fn put_back(path: &Path, backup: &Backup) -> anyhow::Result<Restored> {
    let secret = secret_file(path);
    let identity = of(backup)?;
    match Identity::load(&secret) {
        Ok(other) if other.id() != backup.feed => bail!(
            "the node of {} is another one, {}: name an empty directory with --data-dir, or purge it first",
            path.display(),
            other.id()
        ),
        Ok(_) | Err(IdentityError::Missing(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // The identity last: what was interrupted before it is begun anew.
    let stay = backup.put_back(path)?;
    let keys = KeyStore::open(&streamer_database(path))?.restore(backup.keys.clone()).await?;
    let configuration = match &backup.configuration {
        Some(configuration) => {
            let file = path.join(RESTORED);
            durable::replace(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
            Some(file)
        }
        None => None,
    };
    identity.import(&secret, &Place::beside(&secret, Machine::this()))?;
    Ok(Restored { stay, keys, configuration })
}

/// The identity that a backup carries.
fn of(backup: &Backup) -> anyhow::Result<Identity> {
    let secret = backup.files.get(SECRET).context("the backup has no identity: take an older one")?;
    let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    std::fs::write(file.path(), secret).context("cannot write a temporary file")?;
    let identity = Identity::load(file.path()).context("the identity in the backup is damaged: take an older one")?;
    if identity.id() != backup.feed {
        bail!("the identity in the backup is not the one that it names: take an older one");
    }
    Ok(identity)
}
