//! `meshstream archive import`: a broadcast out of a CAR file.

use std::path::Path;

use stream_model::{ArchiveImported, CarProgress};

use crate::cli::Output;
use crate::cli::show::{print_json, printable};
use crate::cli::transfer;
use crate::control::Client;
use crate::output::print;

pub(super) async fn import(client: &Client, file: &Path, output: Output) -> anyhow::Result<()> {
    let imported: ArchiveImported = transfer::import(client, "/control/archives/import", file).await?;
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
