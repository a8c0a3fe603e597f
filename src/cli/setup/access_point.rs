//! `meshstream setup access-point`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::How;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::print;
use crate::setup::access_point::settings::{EXAMPLE, Settings};
use crate::setup::access_point::{FILE, HOSTS, NAME, NEEDED, plan};
use crate::setup::apply::{base_text, say};
use crate::setup::settings_file;

#[derive(Debug, Args)]
pub(crate) struct AccessPoint {
    /// The small file that says how the access point is to be [default: /etc/meshstream/access-point.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    file: Option<PathBuf>,

    /// Print an example of that file, with all its keys
    #[arg(long, exclusive = true)]
    example: bool,

    #[command(flatten)]
    pub(super) how: How,
}

pub(super) fn run(config: &Config, options: &AccessPoint) -> Result<(), Failure> {
    if options.example {
        return Ok(print(|out| out.write_all(EXAMPLE.as_bytes()))?);
    }
    let target = options.how.target()?;
    if options.how.undo {
        let kept = target.record(NAME)?;
        let outcome = target.undo(&kept, &[])?;
        let undone = "the machine is as it was before 'meshstream setup access-point'";
        return Ok(super::tell(&target, &outcome, undone, "there is nothing to undo")?);
    }
    let path = options.how.file(&target, options.file.as_deref(), FILE);
    let example = format!("run 'meshstream setup access-point --example > {}' and change it", path.display());
    let settings: Settings = settings_file::read(&path, &example).map_err(Failure::Usage)?;
    settings.check().map_err(|error| Failure::Usage(error.context(path.display().to_string())))?;
    super::need(&target, &NEEDED)?;

    let kept = target.record(NAME)?;
    let record = kept.load()?;
    let machine = super::machine(&target);
    let hosts = if settings.hostname { base_text(&target, &record, Path::new(HOSTS))? } else { None };
    let (plan, chosen) = plan(&settings, config, &machine, &record.chosen, hosts.as_deref()).map_err(Failure::Usage)?;
    for note in &plan.notes {
        say(&format!("note: {note}"))?;
    }
    let outcome = target.apply(&kept, &plan, chosen)?;
    let done = "the access point is set up: join it with a phone, and see whether the node's page opens by itself";
    Ok(super::tell(&target, &outcome, done, "everything is as the file says: nothing to change")?)
}
