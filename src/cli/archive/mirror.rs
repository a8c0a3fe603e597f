//! `meshstream archive mirror`: how far it is, until all is here.

use anyhow::bail;
use serde_json::{Value, json};
use stream_model::{BroadcastId, MirrorEntry, MirrorProgress};

use super::path;
use crate::cli::Output;
use crate::cli::show::print_json;
use crate::cli::transfer::{self, Meter, Unit};
use crate::control::Client;
use crate::output::print;

pub(super) async fn mirror(client: &Client, id: BroadcastId, no_wait: bool) -> anyhow::Result<()> {
    let path = format!("{}/mirror", path(id));
    let _begun: Value = client.post(&path, &json!({})).await?;
    if no_wait {
        return print(|out| writeln!(out, "Mirrored from now on; 'meshstream archive mirrors' shows how far it is."));
    }
    let mut meter = Meter::new("mirroring", Unit::Segments, None);
    let mut told = None;
    let last = transfer::events(client.open(&path).await?, |progress: MirrorProgress| {
        meter.of(progress.total_segments);
        meter.at(progress.segments);
        if progress.waiting.is_some() && progress.waiting != told {
            meter.note(&format!("waiting: {}", progress.waiting.as_deref().unwrap_or_default()));
            told.clone_from(&progress.waiting);
        }
        // What is live has no end to wait for.
        let up_to_date = progress.live && progress.total_segments > 0 && progress.segments >= progress.total_segments;
        (progress.whole || up_to_date).then_some(progress)
    });
    let last = last.await;
    meter.clear();
    let MirrorProgress { segments, announced, live, .. } = last?;
    if segments == 0 {
        bail!("nothing of it is to be had");
    }
    print(|out| match (live, announced) {
        (true, _) => writeln!(out, "{segments} segments are here, all there are so far; the rest follows as it comes."),
        (false, Some(manifest)) => writeln!(out, "All {segments} segments are here, and others are told: {manifest}"),
        (false, None) => writeln!(
            out,
            "All {segments} segments are here. Its publisher announced no archive of it: others are told with \
             'meshstream archive republish {}'.",
            id.slug()
        ),
    })
}

pub(super) async fn list(client: &Client, output: Output) -> anyhow::Result<()> {
    let mirrors: Vec<MirrorEntry> = client.get("/control/archives/mirrors").await?;
    if output.json {
        return print_json(&mirrors);
    }
    print(|out| {
        if mirrors.is_empty() {
            return writeln!(out, "Nothing is mirrored: 'meshstream archive mirror ID' begins.");
        }
        for MirrorEntry { broadcast, asked, progress } in &mirrors {
            let why = if *asked { "asked for" } else { "by mesh.mirror" };
            let state = match (&progress.waiting, progress.whole, progress.live) {
                (Some(waiting), ..) => format!("waiting: {waiting}"),
                (None, true, _) => "whole".to_owned(),
                (None, false, true) => "live".to_owned(),
                (None, false, false) => "on its way".to_owned(),
            };
            let (here, all) = (progress.segments, progress.total_segments);
            writeln!(out, "{}  {here} of {all} segments, {why}, {state}", broadcast.slug())?;
        }
        Ok(())
    })
}
