//! `meshstream storage`: the check of all that is stored, by the running node or, where none runs, on its files.

use std::io::{self, Write};

use anyhow::{anyhow, bail};
use bytesize::ByteSize;
use clap::Subcommand;
use futures::StreamExt as _;
use serde::Serialize;
use stream_model::{StorageCheckEvent, StorageCheckProgress, StorageFault, StorageFaultKind, StorageRepair};

use super::Output;
use super::show::print_json;
use super::transfer::{self, Meter, Unit};
use crate::community::Community;
use crate::config::Config;
use crate::control::{Client, Connection};
use crate::data_dir::DataDir;
use crate::node;
use crate::output::print;

/// Most faults that are remembered for what is printed at the end.
const MAX_FAULTS: usize = 10_000;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify every stored block and the index
    Check {
        /// Correct the index, remove what nothing needs, and fetch damaged and missing blocks from peers (while the node runs)
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// The outcome of a check.
#[derive(Debug, Serialize)]
struct Report {
    checked: StorageCheckProgress,
    faults: Vec<StorageFault>,
    /// Faults that are not among `faults`, because there are too many.
    more_faults: u64,
    #[serde(skip)]
    repair: bool,
    #[serde(skip)]
    node_runs: bool,
    #[serde(skip)]
    unrepaired: u64,
}

pub(crate) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let Command::Check { repair, output } = command;
    let mut report = Report {
        checked: StorageCheckProgress::default(),
        faults: Vec::new(),
        more_faults: 0,
        repair,
        node_runs: true,
        unrepaired: 0,
    };
    let mut meter = Meter::new("checking", Unit::Blocks, None);
    let checked = match Client::connect(&config.node.data_dir).await? {
        Connection::Running(client) => {
            let path = format!("/control/storage/check?repair={repair}");
            let answer = client.send_stream(&path, futures::stream::empty().boxed()).await?;
            transfer::events(answer, |event| report.take(event, &mut meter)).await
        }
        Connection::NotRunning => {
            report.node_runs = false;
            check_alone(config, &mut report, &mut meter).await
        }
    };
    meter.clear();
    checked??;
    if output.json {
        print_json(&report)?;
    } else {
        print(|out| report.write(out))?;
    }
    match report.unrepaired {
        0 => Ok(()),
        faults => bail!("{faults} blocks are not as they should be"),
    }
}

/// Checks the files of a node that does not run.
async fn check_alone(config: &Config, report: &mut Report, meter: &mut Meter) -> anyhow::Result<anyhow::Result<()>> {
    let data_dir = DataDir::lock(&config.node.data_dir)?;
    let community = Community::load(data_dir.path())?;
    let router = node::storage_alone(config, &community, &data_dir).await?;
    let repair = if report.repair { StorageRepair::Alone } else { StorageRepair::Tell };
    let mut events = router.checker().check(repair);
    let mut result = Err(anyhow!("the check ended before it was done: run it again"));
    while let Some(event) = events.next().await {
        if let Some(last) = report.take(event, meter) {
            result = last;
            break;
        }
    }
    router.shutdown().await;
    Ok(result)
}

impl Report {
    /// Takes an event; how it ended, where that is the last.
    fn take(&mut self, event: StorageCheckEvent, meter: &mut Meter) -> Option<anyhow::Result<()>> {
        match event {
            StorageCheckEvent::Progress(progress) => {
                meter.of(progress.total_blocks);
                meter.at(progress.blocks);
                None
            }
            StorageCheckEvent::Fault(fault) => {
                self.unrepaired += u64::from(!fault.repaired);
                if self.faults.len() < MAX_FAULTS {
                    self.faults.push(fault);
                } else {
                    self.more_faults += 1;
                }
                None
            }
            StorageCheckEvent::Done(progress) => {
                self.checked = progress;
                Some(Ok(()))
            }
            StorageCheckEvent::Failed(error) => Some(Err(anyhow!(error))),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let StorageCheckProgress { blocks, bytes, .. } = self.checked;
        writeln!(out, "{blocks} blocks, {}, were checked.", ByteSize::b(bytes))?;
        for StorageFault { cid, kind, detail, repaired, kept_for } in &self.faults {
            let kind = match kind {
                StorageFaultKind::Damaged => "damaged",
                StorageFaultKind::Missing => "missing",
                StorageFaultKind::Index => "wrong in the index",
                StorageFaultKind::Stray => "left over",
            };
            let repaired = if *repaired { ", REPAIRED" } else { "" };
            writeln!(out, "{cid} is {kind}{repaired}: {detail}")?;
            for name in kept_for {
                writeln!(out, "  part of {}", in_words(name))?;
            }
        }
        if self.more_faults > 0 {
            writeln!(out, "and {} more", self.more_faults)?;
        }
        match (self.unrepaired, self.repair, self.node_runs) {
            (0, ..) => writeln!(out, "All is well."),
            (_, false, _) => {
                writeln!(out, "'meshstream storage check --repair' while the node runs mends what peers still have.")
            }
            (_, true, false) => {
                writeln!(out, "Start the node and run this again: what is damaged is fetched from its peers then.")
            }
            (_, true, true) => writeln!(
                out,
                "What no peer had is no longer held; all else of it is. It is fetched when it is played and somebody who has it \
                 is connected; or import it from a CAR file."
            ),
        }
    }
}

/// What the name of a claim says.
fn in_words(claim: &str) -> String {
    let parts: Vec<_> = claim.split('/').collect();
    match parts.as_slice() {
        [slug, "segment", number] => format!("segment {number} of broadcast {slug}"),
        [slug, "init", number] => format!("the initialization section of segment {number} of broadcast {slug}"),
        [slug, "live" | "playlist", number] => format!("the live manifest at segment {number} of broadcast {slug}"),
        [slug, "archive" | "archive-playlist", kind, first] => {
            format!("the {kind} archive from segment {first} of broadcast {slug}")
        }
        ["gateway", cid] => format!("{cid}, which the gateway fetched"),
        ["carried", cid] => format!("{cid}, which was imported"),
        ["release", cid] => format!("{cid}, a package of a release"),
        ["staged", cid] => format!("an import of {cid} that was interrupted"),
        _ => claim.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_damaged_what_it_is_part_of_and_what_to_do() {
        let mut report = Report {
            checked: StorageCheckProgress::default(),
            faults: Vec::new(),
            more_faults: 0,
            repair: false,
            node_runs: true,
            unrepaired: 0,
        };
        let mut meter = Meter::new("checking", Unit::Blocks, None);
        let fault = StorageFault {
            cid: "bafy".into(),
            kind: StorageFaultKind::Damaged,
            detail: "other bytes".into(),
            repaired: false,
            kept_for: vec!["SLUG/segment/7".into(), "SLUG/archive/hour/3".into()],
        };
        assert!(report.take(StorageCheckEvent::Fault(fault), &mut meter).is_none());
        let done = StorageCheckProgress { blocks: 3, total_blocks: 3, bytes: 2048 };
        assert!(report.take(StorageCheckEvent::Done(done), &mut meter).unwrap().is_ok());
        let mut out = Vec::new();
        report.write(&mut out).unwrap();
        let expected = "3 blocks, 2.0 KiB, were checked.\n\
            bafy is damaged: other bytes\n  part of segment 7 of broadcast SLUG\n  part of the hour archive from segment 3 of broadcast SLUG\n\
            'meshstream storage check --repair' while the node runs mends what peers still have.\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(report.unrepaired, 1);
    }
}
