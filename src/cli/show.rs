//! `meshstream status` and `meshstream streams`.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use bytesize::ByteSize;
use player_web::qr;
use serde::Deserialize;
use stream_model::{MediaSequence, NodeReport, PeerReport, PeerState, Retention, StorageOutlook, WallTime};

use super::{Output, StatusOutput};
use crate::config::Config;
use crate::control::Client;
use crate::links;
use crate::output::{self, print};
use crate::web_address::page_addresses;

/// The part of `/api/v1/broadcasts` that is shown.
#[derive(Debug, Deserialize)]
struct Broadcast {
    slug: String,
    title: String,
    state: String,
    media_sequence: Option<MediaSequence>,
    held_segments: u64,
}

pub(crate) async fn status(config: &Config, output: StatusOutput) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    if output.output.json {
        return print_json(&client.get::<serde_json::Value>("/api/v1/node").await?);
    }
    let report: NodeReport = client.get("/api/v1/node").await?;
    if output.qr {
        return qr(config, &report);
    }
    let peers: Vec<PeerReport> = client.get("/api/v1/peers").await?;
    let storage: StorageOutlook = client.get("/api/v1/storage").await?;
    print(|out| write_status(out, &report, &storage, &peers))
}

pub(crate) async fn streams(config: &Config, output: Output) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let document: serde_json::Value = client.get("/api/v1/broadcasts").await?;
    if output.json {
        return print_json(&document);
    }
    let broadcasts: Vec<Broadcast> = serde_json::from_value(document).context("the node's answer is not understood")?;
    print(|out| write_streams(out, &broadcasts))
}

/// The page's address as phones around reach it, as a code and as a text.
fn qr(config: &Config, report: &NodeReport) -> anyhow::Result<()> {
    let listen = report.listen.web.first().and_then(|address| address.parse().ok());
    let listen = listen.context("the node has no pages: is web.listen set?")?;
    let urls = page_addresses(listen, &config.web.public_url);
    let url =
        urls.first().context("this machine has no address that phones could reach: join it to a network first")?;
    let code = qr::terminal(url, output::ink())?;
    print(|out| {
        writeln!(out, "{code}")?;
        urls.iter().try_for_each(|url| writeln!(out, "{url}"))
    })
}

fn write_status(
    out: &mut dyn Write,
    report: &NodeReport,
    storage: &StorageOutlook,
    peers: &[PeerReport],
) -> io::Result<()> {
    writeln!(out, "{}, meshstream {}", printable(&report.node.name), report.node.version)?;
    writeln!(out, "  member    of {}", output::community(&report.community))?;
    writeln!(out, "  feed      {}", report.node.feed)?;
    writeln!(out, "  peer      {}", report.node.peer)?;
    for (what, addresses) in [
        ("rtmp", &report.listen.rtmp),
        ("web", &report.listen.web),
        ("https", &report.listen.web_tls),
        ("gateway", &report.listen.gateway),
        ("ssb", &report.listen.ssb),
        ("ipfs", &report.listen.ipfs),
    ] {
        if !addresses.is_empty() {
            writeln!(out, "  {what:<9} {}", addresses.join(" "))?;
        }
    }
    for overlay in &report.overlays {
        let address = overlay.address.map(|address| format!("{address}, ")).unwrap_or_default();
        writeln!(out, "  {:<9} {address}{} neighbours", printable(&overlay.name), overlay.neighbours)?;
    }
    write_storage(out, storage)?;
    for problem in &report.problems {
        writeln!(out, "PROBLEM: {problem}")?;
    }
    if report.publishing.is_empty() {
        writeln!(out, "Nobody publishes to this node. 'meshstream key add NAME' makes a key to publish with.")?;
    }
    for publishing in &report.publishing {
        let loudness = publishing.sound.as_ref().and_then(|sound| sound.loudness_lufs);
        let sound = loudness.map(|loudness| format!(", its sound at {loudness} LUFS")).unwrap_or_default();
        writeln!(out, "Publishing: {} at {} kbit/s{sound}", publishing.name, publishing.kbps)?;
    }
    if peers.is_empty() {
        writeln!(
            out,
            "No peers yet. Nodes on the same network find each other; name others in mesh.peers or ssb.peers."
        )?;
    }
    for peer in peers {
        write_peer(out, peer)?;
    }
    Ok(())
}

fn write_storage(out: &mut dyn Write, storage: &StorageOutlook) -> io::Result<()> {
    let report = &storage.report;
    writeln!(
        out,
        "  storage   {} of {} in {} of {} files; of the disk {} are free, {} are left so",
        ByteSize::b(report.used_bytes),
        ByteSize::b(report.quota_bytes),
        report.files,
        report.max_files,
        ByteSize::b(report.free_bytes),
        ByteSize::b(report.reserve_bytes),
    )?;
    for (number, next) in storage.next.iter().enumerate() {
        let what = if number == 0 { "goes next" } else { "" };
        let why = match next.retention {
            Retention::Passing => "watched or asked for once",
            Retention::Mirrored => "mirrored",
            Retention::Kept => "kept",
        };
        writeln!(out, "  {what:<9} {} of {} ({why})", ByteSize::b(next.bytes), printable(&next.title))?;
    }
    Ok(())
}

fn write_peer(out: &mut dyn Write, peer: &PeerReport) -> io::Result<()> {
    let state = match (peer.state, &peer.peer, &peer.feed) {
        (PeerState::Partial, None, _) => "connected over SSB only".to_owned(),
        (PeerState::Partial, Some(_), _) => "connected over SSB or IPFS only".to_owned(),
        (PeerState::Connected, _, None) => "connected over IPFS only".to_owned(),
        (state, ..) => format!("{state:?}").to_lowercase(),
    };
    let error = peer.last_error.as_deref().map(|error| format!(": {}", printable(error))).unwrap_or_default();
    let link = links::in_words(peer);
    let name = match (&*peer.name, peer.feed, &peer.peer) {
        ("", Some(feed), _) => feed.to_string(),
        ("", None, Some(peer)) => peer.to_string(),
        ("", None, None) => "somebody".to_owned(),
        (name, ..) => printable(name),
    };
    let place = match peer.addresses.as_slice() {
        [] => String::new(),
        addresses => format!(" at {}", printable(&addresses.join(" "))),
    };
    writeln!(out, "Peer: {name}{place} ({state}{link}{error})")
}

fn write_streams(out: &mut dyn Write, broadcasts: &[Broadcast]) -> io::Result<()> {
    if broadcasts.is_empty() {
        writeln!(
            out,
            "No broadcasts known here. Publish one; those of other nodes appear by themselves ('meshstream status' shows which are connected)."
        )?;
    }
    for broadcast in broadcasts {
        let newest = broadcast.media_sequence.map(|sequence| sequence.to_string()).unwrap_or_else(|| "-".to_owned());
        writeln!(
            out,
            "{:<5}  {}  segment {newest}, {} held  /watch/{}",
            broadcast.state,
            printable(&broadcast.title),
            broadcast.held_segments,
            broadcast.slug
        )?;
    }
    Ok(())
}

/// Other nodes choose these texts; control characters could rewrite the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// A point of time in words, by this machine's clock.
pub(super) fn when(time: WallTime) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(time.0)).to_string()
}

pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    print(|out| writeln!(out, "{document}"))
}

#[cfg(test)]
mod tests {
    use stream_model::{FeedId, LinkReport, PeerId};

    use super::*;

    fn shown(peer: &PeerReport) -> String {
        let mut out = Vec::new();
        write_peer(&mut out, peer).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_peer_without_a_name_is_shown_by_its_feed_or_its_peer_id() {
        let feed = FeedId([5; 32]);
        let over_ssb = PeerReport {
            feed: Some(feed),
            peer: None,
            name: String::new(),
            addresses: vec!["10.0.0.2:8008".to_owned()],
            overlay: "inbound".to_owned(),
            state: PeerState::Partial,
            rtt_ms: None,
            last_error: None,
            link: LinkReport::default(),
        };
        assert_eq!(shown(&over_ssb), format!("Peer: {feed} at 10.0.0.2:8008 (connected over SSB only)\n"));
        let id = PeerId::from_multihash([vec![0x12, 32], vec![7; 32]].concat()).unwrap();
        let (peer, state) = (Some(id.clone()), PeerState::Connected);
        let over_ipfs = PeerReport { feed: None, peer, addresses: vec![], state, ..over_ssb };
        assert_eq!(shown(&over_ipfs), format!("Peer: {id} (connected over IPFS only)\n"));
    }
}
