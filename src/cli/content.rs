//! `meshstream content`: stored files and directories by their CIDs, as CAR files.

use std::path::PathBuf;

use anyhow::bail;
use bytesize::ByteSize;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use stream_model::{CarProgress, Cid};

use super::Output;
use super::show::print_json;
use super::transfer;
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write stored content to a CAR file, which any IPFS program reads
    Export {
        /// Root of the content
        cid: Cid,
        /// The file; - for standard output
        file: PathBuf,
        /// Version of the format: 1, or 2 with an index
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
        car_version: u8,
    },
    /// Store what a CAR file carries; where that was interrupted, go on
    Import {
        /// The file; - for standard input
        file: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// What was imported.
#[derive(Debug, Serialize, Deserialize)]
struct Imported {
    roots: Vec<Root>,
    progress: CarProgress,
}

#[derive(Debug, Serialize, Deserialize)]
struct Root {
    cid: String,
    bytes: u64,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    match command {
        Command::Export { cid, file, car_version } => {
            let path = format!("/control/content/{cid}.car?version={car_version}");
            transfer::download(&client, &path, &file).await.map(drop)
        }
        Command::Import { file, output } => {
            let imported: Imported = transfer::import(&client, "/control/content.car", &file).await?;
            if imported.roots.is_empty() {
                bail!("the node's answer is not understood: it names no root");
            }
            if output.json { print_json(&imported) } else { print_imported(&imported) }
        }
    }
}

fn print_imported(imported: &Imported) -> anyhow::Result<()> {
    let CarProgress { blocks_new, blocks_here, .. } = imported.progress;
    print(|out| {
        for Root { cid, bytes } in &imported.roots {
            writeln!(out, "{cid}  {}", ByteSize::b(*bytes))?;
        }
        writeln!(out, "{blocks_new} blocks were new, {blocks_here} were here already.")
    })
}
