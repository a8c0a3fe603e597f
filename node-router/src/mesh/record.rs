//! What nodes say of themselves and sign, so that others can pass it on: made, read, checked (`docs/protocol/nodeinfo.md`).
//! A record is believed because of its signature, whoever brings it; where it leads is dialled only in ranges that mesh
//! networks and LANs use.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, FeedId, NODE_RECORD_CONTEXT, NodeInfo, NodeRecord, NodeSigner, PeerId, WallTime};

use super::sequence;
use super::viewers::Viewers;

/// Bytes of a statement: names and addresses with room to grow.
const MAX_STATEMENT: usize = 2048;
/// Addresses of one node: an overlay or two, some LANs.
const MAX_ADDRESSES: usize = 8;
/// How long a record is given out before what it says is looked up again: viewers come and go, and those that ask do so about as often.
const RENEW: Duration = Duration::from_secs(10);

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    pub(super) feed: FeedId,
    pub(super) peer: PeerId,
    pub(super) community: String,
    /// Rises with each change: of two records of one node the higher counts.
    pub(super) sequence: u64,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) web: u16,
    /// How many watch there.
    #[serde(default, skip_serializing_if = "Viewers::is_empty")]
    pub(super) viewers: Viewers,
}

/// Why a record is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("the statement has over {MAX_STATEMENT} bytes")]
    TooLarge,
    #[error("the statement is not what a meshstream node says: {0}")]
    Malformed(String),
    #[error("the signature is not its author's")]
    Signature,
}

/// Reads and checks a record.
pub(super) fn verify(record: &NodeRecord) -> Result<Statement, RecordError> {
    if record.statement.len() > MAX_STATEMENT {
        return Err(RecordError::TooLarge);
    }
    let malformed = |error: serde_json::Error| RecordError::Malformed(error.to_string());
    let mut statement: Statement = serde_json::from_str(&record.statement).map_err(malformed)?;
    let key = VerifyingKey::from_bytes(&statement.feed.0).map_err(|_| RecordError::Signature)?;
    let signature = STANDARD.decode(&record.signature).map_err(|_| RecordError::Signature)?;
    let signature = Signature::from_slice(&signature).map_err(|_| RecordError::Signature)?;
    let signed = [NODE_RECORD_CONTEXT, record.statement.as_bytes()].concat();
    key.verify_strict(&signed, &signature).map_err(|_| RecordError::Signature)?;
    statement.addresses.retain(|address| is_dialable(*address));
    statement.addresses.truncate(MAX_ADDRESSES);
    statement.viewers.bound();
    Ok(statement)
}

/// Whether an address that somebody told of may be dialled: those of private networks (RFC 1918), LibreMesh among them,
/// unique local ones (RFC 4193), cjdns's among them, and Yggdrasil's. Never this machine, a link, or the Internet.
pub(super) fn is_dialable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.octets()[0] & 0xfe == 0x02,
    }
}

/// Makes this node's own record.
pub struct OwnRecords {
    signer: Arc<dyn NodeSigner>,
    /// Where the HTTP listener listens: all addresses where it is unspecified.
    listen: IpAddr,
    /// Of the first record of this run.
    first: u64,
    last: Mutex<Option<Last>>,
}

struct Last {
    at: Instant,
    statement: Statement,
    record: NodeRecord,
}

impl fmt::Debug for OwnRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnRecords").finish_non_exhaustive()
    }
}

impl OwnRecords {
    /// Signed by this node, whose HTTP server listens at this address; the unspecified one stands for all. The file keeps
    /// their numbers over restarts; where it cannot be used, the clock alone gives them.
    pub fn new(signer: Arc<dyn NodeSigner>, listen: IpAddr, file: &Path) -> Self {
        Self::counting_from(sequence::first(file, WallTime::now()), signer, listen)
    }

    fn counting_from(first: u64, signer: Arc<dyn NodeSigner>, listen: IpAddr) -> Self {
        Self { signer, listen, first, last: Mutex::default() }
    }

    /// The record of what this node says of itself, with the addresses that the machine has now, and the viewers that others may
    /// know of.
    pub fn record(&self, info: &NodeInfo, viewers: impl FnOnce() -> Vec<(BroadcastId, u32)>) -> NodeRecord {
        self.record_at(info, own_addresses, viewers, Instant::now())
    }

    fn record_at(
        &self,
        info: &NodeInfo,
        addresses: impl FnOnce() -> Vec<IpAddr>,
        viewers: impl FnOnce() -> Vec<(BroadcastId, u32)>,
        now: Instant,
    ) -> NodeRecord {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| now < last.at + RENEW) {
            return last.record.clone();
        }
        let before = last.as_ref().map(|last| (&last.statement, &last.record));
        let mut statement = Statement {
            feed: info.ssb.feed,
            peer: info.ipfs.peer.clone(),
            community: info.community.clone(),
            sequence: before.map_or(self.first, |(statement, _)| statement.sequence),
            addresses: addresses().into_iter().filter(|address| self.serves(*address)).take(MAX_ADDRESSES).collect(),
            web: info.web.port,
            viewers: Viewers::after(before.map(|(statement, _)| &statement.viewers), viewers()),
        };
        let unchanged = before.filter(|(before, _)| **before == statement).map(|(_, record)| record.clone());
        let record = unchanged.unwrap_or_else(|| {
            statement.sequence += u64::from(before.is_some());
            self.sign(&statement)
        });
        *last = Some(Last { at: now, statement, record: record.clone() });
        record
    }

    fn serves(&self, address: IpAddr) -> bool {
        // A listener on `::` takes IPv4 too.
        let of_any = self.listen.is_unspecified() && (self.listen.is_ipv6() || address.is_ipv4());
        is_dialable(address) && (of_any || self.listen == address)
    }

    fn sign(&self, statement: &Statement) -> NodeRecord {
        let statement = serde_json::to_string(statement).expect("identifiers, numbers and addresses are JSON");
        let signature = STANDARD.encode(self.signer.sign_node_record(&statement));
        NodeRecord { statement, signature }
    }
}

/// The machine's addresses, in the same order each time.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the machine's addresses are not known: others are told none");
        Vec::new()
    });
    let mut addresses: Vec<_> = interfaces.iter().map(if_addrs::Interface::ip).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
pub(super) mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;
    use stream_model::{IpfsInfo, MessageKey, SsbInfo, WebInfo};

    use super::*;

    const ANY: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

    pub(in crate::mesh) struct TestSigner(SigningKey);

    impl TestSigner {
        pub(in crate::mesh) fn new(seed: u8) -> Self {
            Self(SigningKey::from_bytes(&[seed; 32]))
        }

        pub(in crate::mesh) fn feed(&self) -> FeedId {
            FeedId(self.0.verifying_key().to_bytes())
        }
    }

    impl NodeSigner for TestSigner {
        fn sign_node_record(&self, statement: &str) -> [u8; 64] {
            self.0.sign(&[NODE_RECORD_CONTEXT, statement.as_bytes()].concat()).to_bytes()
        }
    }

    pub(in crate::mesh) fn peer_id(byte: u8) -> PeerId {
        PeerId::from_multihash([vec![0x12, 32], vec![byte; 32]].concat()).unwrap()
    }

    pub(in crate::mesh) fn info(seed: u8) -> NodeInfo {
        NodeInfo {
            name: format!("node {seed}"),
            version: "1".into(),
            community: "open".into(),
            ssb: SsbInfo { feed: TestSigner::new(seed).feed(), port: 8008 },
            ipfs: IpfsInfo { peer: peer_id(seed), port: 4001 },
            web: WebInfo { port: 8080 },
            location: None,
            nodes: Vec::new(),
            links: Vec::new(),
            record: None,
        }
    }

    /// A record of a node with these viewers of one broadcast.
    pub(in crate::mesh) fn record_with_viewers(seed: u8, broadcast: BroadcastId, viewers: u32) -> NodeRecord {
        let records = OwnRecords::counting_from(1, Arc::new(TestSigner::new(seed)), ANY);
        records.record_at(&info(seed), Vec::new, || vec![(broadcast, viewers)], Instant::now())
    }

    /// A record of a node with these addresses.
    pub(in crate::mesh) fn record(seed: u8, sequence: u64, addresses: &[&str]) -> NodeRecord {
        let records = OwnRecords::counting_from(sequence, Arc::new(TestSigner::new(seed)), ANY);
        let addresses = || addresses.iter().map(|text| text.parse().unwrap()).collect();
        records.record_at(&info(seed), addresses, Vec::new, Instant::now())
    }

    #[test]
    fn a_record_says_what_was_signed() {
        let statement = verify(&record(1, 7, &["fc12::1", "10.13.0.1"])).unwrap();
        assert_eq!((statement.feed, statement.sequence, statement.web), (TestSigner::new(1).feed(), 7, 8080));
        assert_eq!(statement.addresses, ["fc12::1".parse::<IpAddr>().unwrap(), "10.13.0.1".parse().unwrap()]);
    }

    #[test]
    fn only_addresses_of_meshes_and_lans_are_told_and_believed() {
        let all = [
            "127.0.0.1",
            "::1",
            "8.8.8.8",
            "2001:4860::8888",
            "169.254.1.1",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "fc00::1",
            "fd00::1",
            "200::1",
            "301::1",
        ];
        let mesh = ["10.0.0.1", "192.168.1.1", "172.16.0.1", "fc00::1", "fd00::1", "200::1", "301::1"];
        for text in all {
            assert_eq!(is_dialable(text.parse().unwrap()), mesh.contains(&text), "{text}");
        }
        let hostile = Statement {
            addresses: all.iter().map(|text| text.parse().unwrap()).collect(),
            ..verify(&record(1, 1, &[])).unwrap()
        };
        let believed = verify(&OwnRecords::counting_from(1, Arc::new(TestSigner::new(1)), ANY).sign(&hostile)).unwrap();
        assert_eq!(believed.addresses.len(), mesh.len());
    }

    #[test]
    fn only_where_it_listens_is_told() {
        let told = |listen: &str| {
            let records = OwnRecords::counting_from(1, Arc::new(TestSigner::new(1)), listen.parse().unwrap());
            let addresses = || ["10.0.0.1", "fc12::1"].map(|text| text.parse().unwrap()).to_vec();
            verify(&records.record_at(&info(1), addresses, Vec::new, Instant::now())).unwrap().addresses
        };
        assert_eq!(told("127.0.0.1"), [] as [IpAddr; 0]);
        assert_eq!(told("fc12::1"), ["fc12::1".parse::<IpAddr>().unwrap()]);
        assert_eq!((told("0.0.0.0").len(), told("::").len()), (1, 2));
    }

    #[test]
    fn whatever_was_changed_is_refused() {
        let good = record(1, 1, &["10.0.0.1"]);
        let other = NodeRecord { statement: good.statement.replace("10.0.0.1", "10.0.0.2"), ..good.clone() };
        assert_eq!(verify(&other), Err(RecordError::Signature));
        let other = NodeRecord { signature: record(2, 1, &["10.0.0.1"]).signature, ..good.clone() };
        assert_eq!(verify(&other), Err(RecordError::Signature));
        let other = NodeRecord { signature: String::new(), ..good.clone() };
        assert_eq!(verify(&other), Err(RecordError::Signature));
        let other = NodeRecord { statement: format!("{}{}", good.statement, " ".repeat(MAX_STATEMENT)), ..good };
        assert_eq!(verify(&other), Err(RecordError::TooLarge));
        let other = NodeRecord { statement: "{}".into(), signature: String::new() };
        assert!(matches!(verify(&other), Err(RecordError::Malformed(_))));
    }

    #[test]
    fn the_record_changes_with_the_addresses_and_its_number_rises() {
        let records = OwnRecords::counting_from(1_000, Arc::new(TestSigner::new(1)), ANY);
        let start = Instant::now();
        let at = |seconds, address: &str| {
            let addresses = || vec![address.parse().unwrap()];
            records.record_at(&info(1), addresses, Vec::new, start + Duration::from_secs(seconds))
        };
        let first = at(0, "10.0.0.1");
        assert_eq!(at(9, "10.0.0.2"), first, "not looked up so soon");
        assert_eq!(at(40, "10.0.0.1"), first);
        let second = at(80, "10.0.0.2");
        let sequence = |record| verify(record).unwrap().sequence;
        assert_eq!((sequence(&first), sequence(&second)), (1_000, 1_001));
    }

    #[test]
    fn the_record_changes_with_the_viewers_and_says_nothing_of_none() {
        let records = OwnRecords::counting_from(1_000, Arc::new(TestSigner::new(1)), ANY);
        let (start, broadcast) = (Instant::now(), BroadcastId(MessageKey([1; 32])));
        let at = |seconds, viewers| {
            let viewers = || vec![(broadcast, viewers)];
            records.record_at(&info(1), Vec::new, viewers, start + Duration::from_secs(seconds))
        };
        let nobody = at(0, 0);
        assert!(!nobody.statement.contains("viewers"));
        let two = at(10, 2);
        assert_eq!(at(15, 3), two, "not so soon");
        assert_eq!(at(20, 2), two);
        let statement = verify(&two).unwrap();
        assert_eq!((statement.sequence, statement.viewers.of(&broadcast)), (1_001, 2));
    }

    #[test]
    fn a_node_that_was_started_again_is_believed_although_its_clock_went_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("record-sequence");
        // A clock that was years ahead once.
        let ahead = sequence::first(&file, WallTime(u64::MAX));
        let signer = Arc::new(TestSigner::new(1));
        let before = OwnRecords::counting_from(ahead, signer.clone(), ANY).record(&info(1), Vec::new);
        let after = OwnRecords::new(signer, ANY, &file).record(&info(1), Vec::new);
        assert!(verify(&before).unwrap().sequence < verify(&after).unwrap().sequence);
    }

    proptest! {
        #[test]
        fn no_record_panics(statement: String, signature: String) {
            let _ = verify(&NodeRecord { statement, signature });
        }
    }
}
