//! How long whoever looks at a random hour of an archive waits, two emulated links from the only node that has it. On the built
//! program in network namespaces, so as root only. Prints a table.

#[path = "../tests/end_to_end/writer.rs"]
mod writer;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use stream_model::{Tracks, WallTime};
use testkit::events::Events;
use testkit::link;
use testkit::netns::Network;
use testkit::node::{Node, Settings};

use writer::{Program, Recorded, Writer};

const MESHSTREAM: &str = env!("CARGO_BIN_EXE_meshstream");

const RADIO: link::Settings = link::Settings::RADIO;
const HOURS: u64 = 24;
/// 15 s of 1 Mbit/s.
const PARTS: u64 = 15;
const PART: usize = 125_000;
/// 2026-11-20T00:00:00Z.
const MIDNIGHT: u64 = 1_795_132_800_000;
/// The hours that are looked at, in an order in which nobody plays them.
const LOOKED_AT: [usize; 8] = [17, 3, 22, 9, 0, 13, 6, 19];

#[tokio::main]
async fn main() -> Result<()> {
    let names = ["a", "b", "c"];
    let Some(network) = Network::line(&names, RADIO).await? else { return Ok(()) };
    let mut nodes = try_join_all(names.map(|name| start(&network, name))).await?;
    nodes[0].terminate().await?;
    let writer = Writer::open(&nodes[0].data_dir()).await?;
    let segments = (0..HOURS).flat_map(|hour| (0..2).map(move |number| segment(hour, number)));
    let program = Program {
        title: "A day".to_owned(),
        tracks: Tracks { video: true, audio: false },
        init: Bytes::from_static(b"init"),
        started_at: WallTime(MIDNIGHT),
    };
    let id = writer.broadcast(program, segments).await?;
    writer.archive(id).await?;
    writer.close().await;
    nodes[0].restart().await?;

    let (far, slug) = (&nodes[2], id.slug());
    let mut events = Events::of(far).await?;
    events.listed(&slug).await?;
    let archives = events.archived(far, &slug).await?;
    let hours: Vec<&str> = archives
        .iter()
        .filter(|archive| archive["kind"] == "hour")
        .map(|archive| archive["playlist"].as_str().context("no playlist"))
        .collect::<Result<_>>()?;
    let (mut lists, mut wholes) = (Vec::new(), Vec::new());
    for hour in LOOKED_AT {
        let since = Instant::now();
        let playlist = far.get_text(hours[hour]).await?;
        lists.push(since.elapsed());
        let uri =
            playlist.lines().find_map(|line| line.strip_prefix("../")?.strip_suffix(".m4s")).context("no segment")?;
        far.get_bytes(&format!("/hls/{slug}/{uri}.m4s")).await?;
        wholes.push(since.elapsed());
    }
    let transfer = PARTS as f64 * PART as f64 * 8.0 / 20e6;
    row("the playlist of an hour that nobody looked at, two hops away", &mut lists);
    row(&format!("until all of its first segment is here (1.9 MB, {transfer:.2} s on one link)"), &mut wholes);
    Ok(())
}

async fn start(network: &Network, name: &str) -> Result<Node> {
    let namespace = Some(network.namespace(name)?.clone());
    Node::start(MESHSTREAM, Settings { name: name.to_owned(), namespace, ..Settings::default() }).await
}

/// Bytes of no other segment.
fn segment(hour: u64, number: u64) -> Recorded {
    let part = |part: u64| {
        let mut bytes = vec![0; PART];
        bytes[..24].copy_from_slice(&[hour, number, part].map(u64::to_be_bytes).concat());
        Bytes::from(bytes)
    };
    let date = WallTime(MIDNIGHT + hour * 3_600_000 + number * 15_000);
    Recorded { parts: (0..PARTS).map(part).collect(), duration: Duration::from_secs(15), date }
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn row(what: &str, times: &mut [Duration]) {
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("| {what} | median {:.2} s, worst {:.2} s |", median.as_secs_f64(), worst.as_secs_f64());
}
