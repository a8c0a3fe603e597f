//! The node itself: whether it runs, which version, what it complains of, and when it last heard of others.

use stream_model::{NodeReport, PeerReport, PeerState};

use super::Asked;
use super::finding::Finding;
use super::machine::Machine;

/// Nobody connected for longer than this is more than a short outage of a link.
const LONG: u64 = 600;

/// Where a package puts the unit.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system/meshstream.service", "/lib/systemd/system/meshstream.service"];

pub(super) fn check(machine: &Machine, asked: &Asked) -> Vec<Finding> {
    match asked {
        Asked::Running { report, peers } => running(report, peers),
        Asked::NotRunning => {
            let packaged = UNITS.iter().any(|unit| machine.has(unit));
            let mend = if packaged {
                "'sudo systemctl start meshstream'; 'journalctl --unit meshstream --lines 50' says why it does not stay"
            } else {
                "'meshstream run' starts one; --data-dir names the directory of one that runs elsewhere"
            };
            vec![Finding::failure("node", "no node runs here", mend)]
        }
        Asked::Silent(why) => vec![Finding::failure(
            "node",
            why.clone(),
            "run this as root ('sudo meshstream doctor'); a node that hangs is started anew with 'sudo systemctl restart meshstream'",
        )],
    }
}

fn running(report: &NodeReport, peers: &[PeerReport]) -> Vec<Finding> {
    let (runs, installed) = (&report.node.version, env!("CARGO_PKG_VERSION"));
    let mut findings = Vec::new();
    findings.push(if runs == installed {
        Finding::ok("node", format!("'{}' runs, version {runs}", report.node.name))
    } else {
        let found = format!("version {runs} runs, and {installed} is installed");
        Finding::warning("node", found, "'sudo systemctl restart meshstream' takes the new one")
    });
    let problem = |text: &String| {
        // What is wrong, and what to do, are one sentence there.
        let (found, mend) =
            text.split_once([':', ';']).unwrap_or((text, "see 'meshstream status' and 'meshstream logs'"));
        Finding::failure("node", found.trim(), mend.trim())
    };
    findings.extend(report.problems.iter().map(problem));
    findings.push(company(peers));
    findings
}

/// When others were last heard.
fn company(peers: &[PeerReport]) -> Finding {
    const CHECK: &str = "peers";
    let connected = peers.iter().filter(|peer| peer.state == PeerState::Connected).count();
    if connected > 0 {
        return Finding::ok(CHECK, format!("{connected} connected, {} known", peers.len()));
    }
    match peers.iter().filter_map(|peer| peer.link.last_seen_s).min() {
        _ if peers.is_empty() => Finding::absent(
            CHECK,
            "no other node is known",
            "nodes of one network find each other by themselves; name others in mesh.peers or ssb.peers",
        ),
        Some(seconds) if seconds <= LONG => Finding::ok(CHECK, format!("the last was heard {seconds} s ago")),
        Some(seconds) => Finding::warning(
            CHECK,
            format!("none was heard for {} min", seconds / 60),
            "see whether the link is up ('ip link', 'ip neighbour'), and the radio on the mast has power",
        ),
        None => Finding::warning(
            CHECK,
            format!("{} are known, and none was ever reached", peers.len()),
            "'meshstream status' says why; nodes of another community do not answer ('meshstream community show')",
        ),
    }
}

#[cfg(test)]
mod tests {
    use stream_model::{FeedId, LinkReport};

    use super::super::State;
    use super::*;

    fn peer(state: PeerState, last_seen_s: Option<u64>) -> PeerReport {
        PeerReport {
            feed: Some(FeedId([1; 32])),
            peer: None,
            name: "roof".to_owned(),
            addresses: Vec::new(),
            overlay: "lan".to_owned(),
            state,
            rtt_ms: None,
            last_error: None,
            link: LinkReport { last_seen_s, ..LinkReport::default() },
        }
    }

    #[test]
    fn company_is_judged_by_who_was_heard_last() {
        let away = |seconds| peer(PeerState::Connecting, seconds);
        assert_eq!(company(&[]).state, State::Absent);
        assert_eq!(company(&[away(None)]).state, State::Warning);
        assert_eq!(company(&[away(Some(4_000)), away(Some(30))]).found, "the last was heard 30 s ago");
        assert_eq!(company(&[away(Some(4_000)), away(None)]).found, "none was heard for 66 min");
        assert_eq!(company(&[away(None), peer(PeerState::Connected, Some(0))]).found, "1 connected, 2 known");
    }

    #[test]
    fn without_a_node_it_is_said_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::below(dir.path());
        let mend = |machine: &Machine| check(machine, &Asked::NotRunning).remove(0).mend.unwrap();
        assert!(mend(&machine).contains("meshstream run"));
        machine.write(UNITS[0], "");
        assert!(mend(&machine).contains("systemctl start"));
    }
}
