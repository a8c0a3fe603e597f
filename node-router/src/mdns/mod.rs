//! mDNS (RFC 6762): this node is a service that others on the link can browse (RFC 6763), and browses theirs
//! (`docs/protocol/discovery.md`).
//!
//! Comes in: what others on the links say. Goes out: this node's own word, and whom the mesh may ask. Where it cannot run, a
//! warning is all: there are other ways to be found.

mod heard;

use std::net::{SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use mdns_sd::{IfKind, IfPredicate, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use metrics::counter;
use stream_model::FeedId;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::devices::Surroundings;
use crate::mesh::MeetingRoom;
use heard::{Answer, Heard, Refusal};

/// UDP port of mDNS (RFC 6762 §3), shared with other responders of this machine.
pub const MDNS_PORT: u16 = 5353;

/// The service: HTTP of a node. Not registered with IANA.
const SERVICE: &str = "_meshstream._tcp.local.";
/// Under which browsers that look for services list web servers; its host is the name that people type.
const WEB_SERVICE: &str = "_http._tcp.local.";
/// How often who was heard is asked again, unless he is known: one that was switched off and on is not heard anew where its records are.
const AGAIN: Duration = Duration::from_secs(5);
/// Seconds between looks at the interfaces.
const LOOK_EVERY: u32 = 2;
/// Records of others that may be remembered, of every kind: six of each node, and a thousand nodes. The library has no bound of
/// its own; beyond this one it begins anew.
const MAX_RECORDS: i64 = 6_000;
/// Bytes of the node's name in that of the service, which has 63 (RFC 6763 §4.1.1).
const MAX_NAME: usize = 40;

/// How this node is found by mDNS, and finds others.
#[derive(Debug, Clone)]
pub struct MdnsConfig {
    /// Names of the interfaces to use; without any, all but loopback and tunnels.
    pub interfaces: Vec<String>,
    /// Shown to people who browse.
    pub name: String,
    /// Where this node's HTTP server is.
    pub web_port: u16,
    /// The label of the name under which people reach it: `LABEL.local`, or `LABEL-2.local` where another host has that.
    pub label: String,
}

/// Speaks and hears until cancelled, or until it cannot.
pub(crate) async fn run(
    config: MdnsConfig,
    own: FeedId,
    community: String,
    room: MeetingRoom,
    cancel: CancellationToken,
) {
    loop {
        let daemon = match ServiceDaemon::new() {
            Ok(daemon) => daemon,
            Err(error) => return tracing::warn!(%error, "cannot look for nodes by mDNS"),
        };
        let mut heard = Heard::new(own, community.clone());
        let served = tokio::select! {
            () = cancel.cancelled() => Ok(()),
            served = serve(&daemon, &config, own, &community, &mut heard, &room) => served,
        };
        // Whoever browses is told that the service is gone.
        let _at_the_end = daemon.unregister(&full_name(&config, own));
        let _at_the_end = daemon.unregister(&web_full_name(&config, own)).and_then(|_| daemon.shutdown());
        if cancel.is_cancelled() {
            return;
        }
        if let Err(error) = served {
            return tracing::warn!(%error, "cannot look for nodes by mDNS");
        }
        counter!("meshstream_mdns_restarts_total").increment(1);
        tracing::debug!("too much was said by mDNS: what was heard is forgotten");
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Returns where it has to begin anew.
async fn serve(
    daemon: &ServiceDaemon,
    config: &MdnsConfig,
    own: FeedId,
    community: &str,
    heard: &mut Heard,
    room: &MeetingRoom,
) -> Result<(), mdns_sd::Error> {
    let names = config.interfaces.clone();
    let unused = move |interface: &if_addrs::Interface| {
        let named = names.is_empty() || names.contains(&interface.name);
        interface.is_loopback() || interface.is_p2p || !named
    };
    daemon.disable_interface(IfKind::Predicate(IfPredicate::new(unused)))?;
    daemon.set_ip_check_interval(LOOK_EVERY)?;
    daemon.register(service(config, own, community)?)?;
    daemon.register(web_service(config, own)?)?;
    let events = daemon.browse(SERVICE)?;
    let mut again = tokio::time::interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv_async() => match event {
                Ok(ServiceEvent::ServiceResolved(service)) => handle(heard, &service, &config.interfaces, room),
                Ok(ServiceEvent::ServiceRemoved(_, instance)) => heard.handle_gone(&instance),
                Ok(_) => {}
                // It ends what is not read as quickly as others speak.
                Err(_) => return Ok(()),
            },
            _ = again.tick() => {
                heard.again().into_iter().for_each(|met| room.offer(met));
                let Ok(counts) = daemon.get_metrics()?.recv_async().await else { return Ok(()) };
                let cached = counts.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| *count);
                if cached.sum::<i64>() > MAX_RECORDS {
                    return Ok(());
                }
            }
        }
    }
}

fn handle(heard: &mut Heard, service: &ResolvedService, interfaces: &[String], room: &MeetingRoom) {
    let surroundings = Surroundings::look(interfaces);
    let answer = read(service);
    match heard.handle(answer, |place| surroundings.has(place), Instant::now()) {
        Ok(met) => {
            tracing::debug!(feed = %met.feed, address = %met.address, "a node is heard by mDNS");
            room.offer(met);
        }
        Err(Refusal::Own) => {}
        Err(refusal) => {
            counter!("meshstream_mdns_answers_refused_total").increment(1);
            tracing::trace!(?refusal, "an answer by mDNS counts for nothing");
        }
    }
}

fn read(service: &ResolvedService) -> Answer {
    let text = |key| service.get_property_val_str(key).map(str::to_owned);
    let place = |ip: &ScopedIp| match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), service.port, 0, v6.scope_id().index).into()
        }
        other => SocketAddr::new(other.to_ip_addr(), service.port),
    };
    Answer {
        instance: service.fullname.clone(),
        community: text("community"),
        feed: text("feed"),
        places: service.addresses.iter().map(place).collect(),
    }
}

fn service(config: &MdnsConfig, own: FeedId, community: &str) -> Result<ServiceInfo, mdns_sd::Error> {
    let feed = own.to_string();
    let text = [("txtvers", "1"), ("community", community), ("feed", &feed)];
    // The name of the host is no other program's: `HOSTNAME.local` may be avahi's.
    let host = format!("meshstream-{}.local.", short(own));
    let service = ServiceInfo::new(SERVICE, &instance(config, own), &host, "", config.web_port, &text[..])?;
    Ok(service.enable_addr_auto())
}

/// The pages, at a host whose name people can type. Where another host of the link has it, both names go on with a number
/// (RFC 6762 §9).
fn web_service(config: &MdnsConfig, own: FeedId) -> Result<ServiceInfo, mdns_sd::Error> {
    let host = format!("{}.local.", config.label);
    let service =
        ServiceInfo::new(WEB_SERVICE, &instance(config, own), &host, "", config.web_port, &[("path", "/")][..])?;
    Ok(service.enable_addr_auto())
}

fn web_full_name(config: &MdnsConfig, own: FeedId) -> String {
    web_service(config, own).map(|service| service.get_fullname().to_owned()).unwrap_or_default()
}

/// No two nodes have the same, whatever people call them.
fn instance(config: &MdnsConfig, own: FeedId) -> String {
    let end = (0..=MAX_NAME).rev().find(|end| config.name.is_char_boundary(*end)).unwrap_or(0);
    let name: String = config.name.get(..end).unwrap_or(&config.name).chars().filter(|c| !c.is_control()).collect();
    format!("{name} {}", short(own))
}

fn full_name(config: &MdnsConfig, own: FeedId) -> String {
    service(config, own, "").map(|service| service.get_fullname().to_owned()).unwrap_or_default()
}

/// Enough of a key that no two of a LAN are the same.
fn short(feed: FeedId) -> String {
    feed.0[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_says_where_it_is_and_whose() {
        let config = MdnsConfig { interfaces: Vec::new(), name: "ä".repeat(60), web_port: 8080, label: "roof".into() };
        let pages = web_service(&config, FeedId([7; 32])).unwrap();
        assert_eq!((pages.get_port(), pages.get_hostname()), (8080, "roof.local."));
        let said = service(&config, FeedId([7; 32]), "open").unwrap();
        assert_eq!((said.get_port(), said.get_hostname()), (8080, "meshstream-070707070707.local."));
        assert_eq!(said.get_property_val_str("community"), Some("open"));
        assert_eq!(said.get_property_val_str("feed").and_then(|text| text.parse().ok()), Some(FeedId([7; 32])));
        let name = said.get_fullname().strip_suffix("._meshstream._tcp.local.").unwrap();
        assert_eq!(name, format!("{} 070707070707", "ä".repeat(20)));
        let short = MdnsConfig { name: "hall\n".into(), ..config };
        assert_eq!(instance(&short, FeedId([7; 32])), "hall 070707070707");
    }
}
