//! The daemons of overlay networks.

use std::net::IpAddr;

use node_router::overlay_of;
use stream_model::OverlayReport;

use super::Asked;
use super::finding::Finding;

const CHECK: &str = "mesh";

pub(super) fn check(asked: &Asked) -> Finding {
    match asked {
        Asked::Running { report, .. } => judge(&report.overlays),
        _ => of_addresses(if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip())),
    }
}

/// By what the node hears from the daemons.
fn judge(overlays: &[OverlayReport]) -> Finding {
    let lonely = overlays.iter().find(|overlay| overlay.neighbours == 0);
    if let Some(overlay) = lonely {
        let (name, found) = (&overlay.name, format!("{} runs here and has no neighbours", overlay.name));
        let mend = format!(
            "see whether the link to the next node is up, and whether {name} is to use it: 'meshstream setup mesh' writes its peers"
        );
        return Finding::warning(CHECK, found, mend);
    }
    match overlays {
        [] => none(),
        overlays => {
            let told = |overlay: &OverlayReport| {
                let address = overlay.address.map(|address| format!(" at {address}")).unwrap_or_default();
                format!("{}{address} with {} neighbours", overlay.name, overlay.neighbours)
            };
            Finding::ok(CHECK, overlays.iter().map(told).collect::<Vec<_>>().join("; "))
        }
    }
}

/// By this machine's addresses, while no node asks the daemons.
fn of_addresses(addresses: impl Iterator<Item = IpAddr>) -> Finding {
    let of_overlays: Vec<_> =
        addresses.filter_map(|address| Some(format!("{address} of {}", overlay_of(address)?))).collect();
    if of_overlays.is_empty() { none() } else { Finding::ok(CHECK, of_overlays.join(", ")) }
}

fn none() -> Finding {
    Finding::absent(
        CHECK,
        "neither cjdns nor Yggdrasil runs here",
        "nodes of one LAN find each other without; 'meshstream setup mesh' sets up a daemon for those beyond",
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_daemon_without_neighbours_is_told_of() {
        let overlay = |neighbours| OverlayReport {
            name: "yggdrasil".to_owned(),
            address: "200:1111::1".parse().ok(),
            neighbours,
        };
        assert_eq!(judge(&[]).state, State::Absent);
        assert_eq!(judge(&[overlay(2)]).found, "yggdrasil at 200:1111::1 with 2 neighbours");
        assert_eq!(judge(&[overlay(2), overlay(0)]).state, State::Warning);
    }

    #[test]
    fn without_a_node_addresses_tell_which_daemons_run() {
        let found = |addresses: &[&str]| of_addresses(addresses.iter().map(|address| address.parse().unwrap()));
        assert_eq!(found(&["127.0.0.1", "192.168.1.2", "fe80::1"]).state, State::Absent);
        assert_eq!(found(&["fc12::1"]).found, "fc12::1 of cjdns");
    }
}
