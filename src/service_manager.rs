//! What a service manager such as systemd is told: that the node serves, that it still answers, and that it ends
//! (sd_notify(3)). Without one, nothing.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use stream_model::{NodeReport, PeerReport, PeerState};

use crate::control::{Client, Connection};

/// How often its line is told anew where no watchdog asks for more.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// So often within a watchdog's time the node is asked: one answer may come late.
const ASKED_WITHIN: u32 = 3;

/// Says that the node serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the node ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Asks the node again and again what it does, as any command would, and tells it to the service manager: a node that does not
/// answer is not told of, until a watchdog starts it anew. Ends only where nobody listens, and then never.
pub(crate) async fn watch(data_dir: &Path) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return std::future::pending().await;
    }
    let every = sd_notify::watchdog_enabled().map_or(LINE_EVERY, |within| within / ASKED_WITHIN);
    loop {
        match tokio::time::timeout(every, line(data_dir)).await {
            Ok(Ok(line)) => tell(&[NotifyState::Watchdog, NotifyState::Status(&line)]),
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "the node does not answer itself"),
            Err(_) => tracing::warn!(within = ?every, "the node does not answer itself in time"),
        }
        tokio::time::sleep(every).await;
    }
}

/// What the node does, in one line for `systemctl status`.
async fn line(data_dir: &Path) -> anyhow::Result<String> {
    let Connection::Running(client) = Client::connect(data_dir).await? else {
        anyhow::bail!("nobody listens at the control socket");
    };
    let report = client.get("/api/v1/node").await?;
    let peers: Vec<PeerReport> = client.get("/api/v1/peers").await?;
    Ok(in_one_line(&report, &peers))
}

fn in_one_line(report: &NodeReport, peers: &[PeerReport]) -> String {
    let connected = peers.iter().filter(|peer| peer.state == PeerState::Connected).count();
    let publishing = match report.publishing.as_slice() {
        [] => "nobody publishes".to_owned(),
        names => format!("live: {}", names.iter().map(|live| live.name.as_str()).collect::<Vec<_>>().join(", ")),
    };
    let problems = match report.problems.len() {
        0 => "",
        _ => "; PROBLEMS: see 'meshstream status'",
    };
    format!("{publishing}; {connected} of {} peers connected{problems}", peers.len())
}

/// A manager that does not listen is no reason to fail.
fn tell(states: &[NotifyState<'_>]) {
    match sd_notify::notify(states) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, "the service manager cannot be told");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(publishing: serde_json::Value, problems: &[&str]) -> NodeReport {
        let feed = stream_model::FeedId([1; 32]);
        let peer = stream_model::PeerId::from_multihash([vec![0x12, 32], vec![7; 32]].concat()).unwrap();
        serde_json::from_value(json!({
            "node": { "name": "roof", "feed": feed, "peer": peer, "version": "0.1.0" },
            "listen": { "rtmp": [], "ssb": [], "ipfs": [], "web": [] },
            "storage": { "used_bytes": 0, "quota_bytes": 0, "files": 0 },
            "publishing": publishing,
            "problems": problems,
        }))
        .unwrap()
    }

    #[test]
    fn the_line_tells_who_is_live_and_that_something_is_wrong() {
        assert_eq!(in_one_line(&report(json!([]), &[]), &[]), "nobody publishes; 0 of 0 peers connected");
        let live = json!([{ "name": "hall", "broadcast": null, "kbps": 1500 }]);
        let line = in_one_line(&report(live, &["the disk is full"]), &[]);
        assert_eq!(line, "live: hall; 0 of 0 peers connected; PROBLEMS: see 'meshstream status'");
    }
}
