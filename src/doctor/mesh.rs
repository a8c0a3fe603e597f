//! The daemons of overlay networks.

use std::net::IpAddr;

use node_router::overlay_of;
use stream_model::OverlayReport;

use super::Asked;
use super::finding::Finding;

const CHECK: &str = "mesh";

pub(super) fn check(asked: &Asked) -> Finding {
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses: Vec<_> = addresses.iter().map(|interface| interface.ip()).collect();
    match asked {
        Asked::Running { report, .. } => deaf(&report.overlays, &addresses).unwrap_or_else(|| judge(&report.overlays)),
        _ => of_addresses(&addresses),
    }
}

/// An overlay that runs here, and whose daemon the node cannot ask.
fn deaf(overlays: &[OverlayReport], addresses: &[IpAddr]) -> Option<Finding> {
    let unheard = |address: &IpAddr| {
        let name = overlay_of(*address)?;
        (!overlays.iter().any(|overlay| overlay.name == name)).then_some((name, *address))
    };
    let (name, address) = addresses.iter().find_map(unheard)?;
    let mend = match name {
        "yggdrasil" => {
            "let the node's user ask it: 'sudo adduser meshstream yggdrasil', then 'sudo systemctl restart meshstream'"
        }
        _ => "name its address and password with mesh.cjdns_admin and mesh.cjdns_password_file",
    };
    let found = format!("this machine is {address} in {name}, and the node cannot ask its daemon who else is there");
    Some(Finding::warning(CHECK, found, mend))
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
fn of_addresses(addresses: &[IpAddr]) -> Finding {
    let of_overlay = |address: &IpAddr| Some(format!("{address} of {}", overlay_of(*address)?));
    let of_overlays: Vec<_> = addresses.iter().filter_map(of_overlay).collect();
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
        assert_eq!(of_addresses(&addresses(&["127.0.0.1", "192.168.1.2", "fe80::1"])).state, State::Absent);
        assert_eq!(of_addresses(&addresses(&["fc12::1"])).found, "fc12::1 of cjdns");
    }

    #[test]
    fn a_daemon_that_the_node_may_not_ask_is_told_of() {
        let here = addresses(&["10.0.0.1", "200:1111::1"]);
        let finding = deaf(&[], &here).unwrap();
        assert!(finding.found.contains("200:1111::1 in yggdrasil"), "{finding:?}");
        assert!(finding.mend.unwrap().contains("adduser meshstream yggdrasil"));
        let heard = OverlayReport { name: "yggdrasil".to_owned(), address: None, neighbours: 1 };
        assert_eq!(deaf(&[heard], &here), None);
        assert_eq!(deaf(&[], &addresses(&["10.0.0.1"])), None);
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }
}
