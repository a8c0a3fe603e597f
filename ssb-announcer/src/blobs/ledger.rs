//! What blobs are kept, and which make room. Pure.

use std::collections::{BTreeMap, HashMap};

use stream_model::BlobId;

/// Blobs of others that are kept, however small: each is a file and an entry in memory.
pub const MAX_OTHERS: usize = 8_192;

/// Whose a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This node's: kept for good.
    Node,
    /// Somebody else's: kept while there is room.
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: u64,
    /// When it was used last, counted in uses; `None` for blobs of this node.
    used: Option<u64>,
}

/// All blobs held.
#[derive(Debug)]
pub struct Ledger {
    quota: u64,
    entries: HashMap<BlobId, Entry>,
    by_use: BTreeMap<u64, BlobId>,
    others_bytes: u64,
    own_bytes: u64,
    uses: u64,
}

impl Ledger {
    /// Empty; blobs of others may take `quota` bytes.
    pub fn new(quota: u64) -> Self {
        Self { quota, entries: HashMap::new(), by_use: BTreeMap::new(), others_bytes: 0, own_bytes: 0, uses: 0 }
    }

    /// A blob was stored. Gives those that are to be removed for it; it is one of them where it alone exceeds the quota.
    /// A blob of this node stays one.
    pub fn insert(&mut self, id: BlobId, bytes: u64, owner: Owner) -> Vec<BlobId> {
        if self.entries.get(&id).is_some_and(|entry| entry.used.is_none()) {
            return Vec::new();
        }
        self.remove(&id);
        match owner {
            Owner::Node => {
                self.own_bytes += bytes;
                self.entries.insert(id, Entry { bytes, used: None });
            }
            Owner::Others => {
                self.uses += 1;
                self.others_bytes += bytes;
                self.by_use.insert(self.uses, id);
                self.entries.insert(id, Entry { bytes, used: Some(self.uses) });
            }
        }
        let mut evicted = Vec::new();
        while self.others_bytes > self.quota || self.by_use.len() > MAX_OTHERS {
            let Some(oldest) = self.by_use.first_key_value().map(|(_, id)| *id) else { break };
            self.remove(&oldest);
            evicted.push(oldest);
        }
        evicted
    }

    /// A blob was used.
    pub fn touch(&mut self, id: &BlobId) {
        if let Some(Entry { used: Some(used), .. }) = self.entries.get_mut(id) {
            self.uses += 1;
            self.by_use.remove(used);
            self.by_use.insert(self.uses, *id);
            *used = self.uses;
        }
    }

    /// A blob is gone.
    pub fn remove(&mut self, id: &BlobId) {
        match self.entries.remove(id) {
            Some(Entry { bytes, used: Some(used) }) => {
                self.by_use.remove(&used);
                self.others_bytes -= bytes;
            }
            Some(Entry { bytes, used: None }) => self.own_bytes -= bytes,
            None => {}
        }
    }

    /// The size and the owner of a blob that is held.
    pub fn get(&self, id: &BlobId) -> Option<(u64, Owner)> {
        let entry = self.entries.get(id)?;
        Some((entry.bytes, if entry.used.is_some() { Owner::Others } else { Owner::Node }))
    }

    /// Bytes of all blobs.
    pub fn bytes(&self) -> u64 {
        self.others_bytes + self.own_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> BlobId {
        BlobId([n; 32])
    }

    #[test]
    fn the_blob_used_longest_ago_makes_room() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.insert(id(1), 40, Owner::Others), []);
        assert_eq!(ledger.insert(id(2), 40, Owner::Others), []);
        ledger.touch(&id(1));
        assert_eq!(ledger.insert(id(3), 40, Owner::Others), [id(2)]);
        assert_eq!(ledger.get(&id(2)), None);
        assert_eq!(ledger.get(&id(1)), Some((40, Owner::Others)));
    }

    #[test]
    fn blobs_of_this_node_stay_and_do_not_count() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.insert(id(1), 500, Owner::Node), []);
        assert_eq!(ledger.insert(id(2), 100, Owner::Others), []);
        assert_eq!(ledger.insert(id(1), 500, Owner::Others), []);
        assert_eq!(ledger.get(&id(1)), Some((500, Owner::Node)));
        assert_eq!(ledger.insert(id(2), 100, Owner::Node), []);
        assert_eq!(ledger.insert(id(3), 100, Owner::Others), []);
    }

    #[test]
    fn a_blob_larger_than_the_quota_is_not_kept() {
        assert_eq!(Ledger::new(10).insert(id(1), 11, Owner::Others), [id(1)]);
    }

    proptest! {
        #[test]
        fn the_quota_holds_and_the_sums_agree(steps in proptest::collection::vec((0u8..20, 1u64..60, 0u8..5), 0..80)) {
            let mut ledger = Ledger::new(200);
            for (n, bytes, step) in steps {
                match step {
                    0 => drop(ledger.insert(id(n), bytes, Owner::Node)),
                    1 => ledger.remove(&id(n)),
                    2 => ledger.touch(&id(n)),
                    _ => drop(ledger.insert(id(n), bytes, Owner::Others)),
                }
                let others: Vec<u64> = ledger.entries.values().filter(|e| e.used.is_some()).map(|e| e.bytes).collect();
                prop_assert_eq!(others.iter().sum::<u64>(), ledger.others_bytes);
                prop_assert_eq!(others.len(), ledger.by_use.len());
                prop_assert!(ledger.others_bytes <= 200);
                prop_assert_eq!(ledger.bytes(), ledger.entries.values().map(|entry| entry.bytes).sum::<u64>());
            }
        }
    }
}
