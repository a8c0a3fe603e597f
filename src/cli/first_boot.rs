//! `meshstream first-boot`: what images run when their owner has filled in the first-boot page.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::config::Config;
use crate::first_boot::{Apply, Place, RealMachine};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the machine what was filled in
    Apply(Options),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to read instead of what the page wrote
    file: Option<PathBuf>,

    /// Remove the file once it was taken, for it holds a password; until then write what is wrong to first-boot-problem.txt beside it
    #[arg(long, requires = "file")]
    remove: bool,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let Command::Apply(options) = command;
    let data_dir = &config.node.data_dir;
    let file = options.file.clone().unwrap_or_else(|| Place::of(data_dir).wishes());
    let result = Apply { data_dir, tools: &RealMachine }.run(&file);
    if options.remove {
        let problem = file.with_file_name("first-boot-problem.txt");
        match &result {
            Ok(()) => {
                remove(&file).context("it holds a password")?;
                remove(&problem)?;
            }
            Err(error) => {
                let text = format!("{error:#}\nmend {}, and start the machine again\n", file.display());
                fs::write(&problem, text).with_context(|| format!("cannot write {}", problem.display()))?;
            }
        }
    }
    result
}

fn remove(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}
