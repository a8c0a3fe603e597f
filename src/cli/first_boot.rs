//! `meshstream first-boot`: what images run when their owner has filled in the first-boot page.

use std::fs;
use std::path::PathBuf;

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

    /// Remove the file, which holds a password, and write a problem to first-boot-problem.txt beside it
    #[arg(long, requires = "file")]
    remove: bool,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let Command::Apply(options) = command;
    let data_dir = &config.node.data_dir;
    let file = options.file.clone().unwrap_or_else(|| Place::of(data_dir).wishes());
    let result = Apply { data_dir, tools: &RealMachine }.run(&file);
    if options.remove {
        if let Err(error) = &result {
            let problem = file.with_file_name("first-boot-problem.txt");
            fs::write(&problem, format!("{error:#}\n"))
                .with_context(|| format!("cannot write {}", problem.display()))?;
        }
        fs::remove_file(&file).with_context(|| format!("cannot remove {}: it holds a password", file.display()))?;
    }
    result
}
