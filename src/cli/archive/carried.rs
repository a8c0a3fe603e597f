//! `meshstream archive import`: a broadcast out of a CAR file.

use std::path::Path;

use anyhow::{anyhow, bail};
use serde::Deserialize;
use stream_model::{ArchiveImported, CarProgress};

use crate::cli::Output;
use crate::cli::show::{print_json, printable};
use crate::cli::transfer::{self, Meter, ReadFailure, Unit};
use crate::control::Client;
use crate::output::print;

/// What the node says of an import.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Progress(CarProgress),
    Imported(ArchiveImported),
    Failed(String),
}

pub(super) async fn import(client: &Client, file: &Path, output: Output) -> anyhow::Result<()> {
    let (reader, total) = transfer::source(file).await?;
    let failure = ReadFailure::default();
    let pieces = transfer::pieces(reader, failure.clone());
    let answer = client.send_stream("/control/archives/import", pieces).await?;
    let mut meter = Meter::new("importing", Unit::Bytes, total);
    let imported = transfer::events(answer, |event| match event {
        Event::Progress(progress) => {
            meter.at(progress.bytes_read);
            None
        }
        Event::Imported(imported) => Some(Ok(imported)),
        Event::Failed(error) => Some(Err(anyhow!(error))),
    });
    let imported = imported.await;
    meter.clear();
    let imported = match (imported.and_then(|imported| imported), failure.take()) {
        (Err(_), Some(error)) => bail!(
            "cannot read {} to its end: {error}; what came is kept for a day: import it again to go on",
            file.display()
        ),
        (imported, _) => imported?,
    };
    if output.json {
        return print_json(&imported);
    }
    let ArchiveImported { broadcast, title, segments, messages, progress } = imported;
    print(|out| {
        writeln!(out, "{}  /watch/{}", printable(&title), broadcast.slug())?;
        writeln!(out, "{segments} segments are here, and mirrored.")?;
        let CarProgress { blocks_new, blocks_here, .. } = progress;
        writeln!(
            out,
            "{blocks_new} blocks were new, {blocks_here} were here already; {} messages were new, {} were here.",
            messages.new, messages.known
        )
    })
}
