//! `meshstream setup mesh`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use node_router::community::Secret;

use super::How;
use crate::cli::community;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::print;
use crate::setup::apply::{Mode, Reach, Target, base_text, say};
use crate::setup::machine::wants;
use crate::setup::mesh::settings::{EXAMPLE, Settings};
use crate::setup::mesh::{Addition, Daemon, FILE, NAME, add, for_cjdns, for_yggdrasil, only_adds, plan};
use crate::setup::plan::{Origin, Plan};
use crate::setup::record::{Kept, Record};
use crate::setup::settings_file;
use crate::setup::tree::State;

#[derive(Debug, Args)]
pub(crate) struct Mesh {
    /// The small file that names the peers [default: /etc/meshstream/mesh.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    file: Option<PathBuf>,

    /// Print an example of that file, with all its keys
    #[arg(long, exclusive = true)]
    example: bool,

    /// Join this private community, too, as 'meshstream community join' does; '-' reads the invite from standard input
    #[arg(long, value_name = "INVITE", conflicts_with = "undo")]
    community: Option<String>,

    #[command(flatten)]
    pub(super) how: How,
}

pub(super) async fn run(config: &Config, options: Mesh) -> Result<(), Failure> {
    if options.example {
        return Ok(print(|out| out.write_all(EXAMPLE.as_bytes()))?);
    }
    let target = options.how.target()?;
    if options.how.undo {
        let kept = target.record(NAME)?;
        let services = started(&target, &kept.load()?);
        let outcome = target.undo(&kept, &services)?;
        let undone = "the daemons' settings are without what 'meshstream setup mesh' added; 'meshstream community leave' leaves a community";
        return Ok(super::tell(&target, &outcome, undone, "there is nothing to undo")?);
    }
    let path = options.how.file(&target, options.file.as_deref(), FILE);
    let example = format!("run 'meshstream setup mesh --example > {}' and change it", path.display());
    let settings: Settings = settings_file::read(&path, &example).map_err(Failure::Usage)?;
    settings.check().map_err(|error| Failure::Usage(error.context(path.display().to_string())))?;
    let secret = options.community.map(community::read_invite).transpose().map_err(Failure::Usage)?;

    let kept = target.record(NAME)?;
    let record = kept.load()?;
    let mut wanted = Plan::default();
    for daemon in Daemon::ALL {
        add_daemon(&mut wanted, &target, &kept, &record, daemon, &settings)?;
    }
    for note in &wanted.notes {
        say(&format!("note: {note}"))?;
    }
    let outcome = target.apply(&kept, &wanted, record.chosen)?;
    let done = "the mesh is set up: 'meshstream status' shows the nodes that are found";
    super::tell(&target, &outcome, done, "everything is as the file says: nothing to change")?;
    match secret {
        Some(secret) => Ok(join(config, &target, &secret).await?),
        None => Ok(()),
    }
}

/// What a daemon's settings are to have more. One without a table is left out, and so gets back what it had.
fn add_daemon(
    wanted: &mut Plan,
    target: &Target,
    kept: &Kept,
    record: &Record,
    daemon: Daemon,
    settings: &Settings,
) -> anyhow::Result<()> {
    let additions: &dyn Fn(&str) -> anyhow::Result<Vec<Addition>> = match (daemon, &settings.yggdrasil, &settings.cjdns)
    {
        (Daemon::Yggdrasil, Some(table), _) => &|text| for_yggdrasil(text, table),
        (Daemon::Cjdns, _, Some(table)) => &|text| for_cjdns(text, table),
        _ => return Ok(()),
    };
    let file = daemon.file();
    let (text, origin) = match base_text(target, record, &file)? {
        Some(text) => (text, Origin::There),
        None => (new_settings(target, kept, daemon)?, Origin::Made),
    };
    if origin == Origin::Made {
        wanted.notes.push(format!("{} has no settings yet: they are made, with keys of their own", daemon.name()));
    }
    let by_hand =
        || format!("{} is not understood, and nothing was changed: add the peers to it by hand", file.display());
    let additions = additions(&text).with_context(by_hand)?;
    let (new, edits) = add(&text, &additions).with_context(by_hand)?;
    if daemon.is_here() {
        let as_read = |text| daemon.read(text).with_context(by_hand);
        if !only_adds(&as_read(&text)?, &as_read(&new)?, &additions) {
            bail!("{}: {} reads it otherwise than was meant", by_hand(), daemon.name());
        }
    }
    plan(wanted, daemon, new, edits, origin);
    let Some((unit, unit_file)) = unit(target, daemon) else {
        wanted.notes.push(format!("no unit starts {} here: {}", daemon.name(), daemon.install()));
        return Ok(());
    };
    let link = wants(unit);
    if record.entries.contains_key(&link) || target.tree.look(&link)? == State::Absent {
        wanted.link(link, unit_file);
    }
    wanted.services.push(unit.to_owned());
    Ok(())
}

/// Settings with keys of their own: those that an undo has kept, else new ones.
fn new_settings(target: &Target, kept: &Kept, daemon: Daemon) -> anyhow::Result<String> {
    let file = daemon.file();
    let aside = kept.aside(&file.file_name().unwrap_or_default().to_string_lossy());
    if aside.exists() {
        return fs::read_to_string(&aside).with_context(|| format!("cannot read {}", aside.display()));
    }
    if target.reach == Reach::Files {
        bail!(
            "the image has no {}, and keys that are made now would be the same on all machines that start from it: run this on the \
             machine itself",
            file.display()
        );
    }
    if !daemon.is_here() {
        bail!(
            "{} is not installed here, and nothing was changed: {}, then this again",
            daemon.name(),
            daemon.install()
        );
    }
    daemon.generate().with_context(|| format!("cannot make {}", file.display()))
}

/// The unit that starts a daemon, and its file.
fn unit(target: &Target, daemon: Daemon) -> Option<(&'static str, PathBuf)> {
    daemon.units().iter().find_map(|unit| {
        let places = ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];
        let file =
            places.iter().map(|place| Path::new(place).join(unit)).find(|file| target.tree.place(file).exists())?;
        Some((*unit, file))
    })
}

/// Daemons whose settings were changed: they read them anew.
fn started(target: &Target, record: &Record) -> Vec<String> {
    let changed = Daemon::ALL.into_iter().filter(|daemon| record.entries.contains_key(&daemon.file()));
    changed.filter_map(|daemon| Some(unit(target, daemon)?.0.to_owned())).collect()
}

async fn join(config: &Config, target: &Target, secret: &Secret) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.node.data_dir = target.tree.place(&config.node.data_dir);
    let data_dir = &config.node.data_dir;
    if target.mode == Mode::Show {
        return say(&format!("would join the community of the invite, in {}", data_dir.display()));
    }
    let when = community::join(&config, secret).await?;
    say(&format!("the node of {} is of the community of the invite, {when}", data_dir.display()))
}
