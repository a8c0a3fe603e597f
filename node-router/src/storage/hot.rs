//! Blocks that were read lately, verified, in memory: all who watch a broadcast ask for the same segment within seconds. Bounded in
//! bytes, and forgets what nobody asks for. What it has is as good as what is on disk: a CID never means anything else.

use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use moka::sync::Cache;

/// Bytes of blocks that are kept: two segments of 15 s at 4 Mbit/s, and little of the memory of the smallest boards.
const MAX_BYTES: u64 = 16 << 20;

/// How long a block is kept that nobody asks for: two segments of the usual target duration.
const IDLE: Duration = Duration::from_secs(30);

/// What a block takes besides its bytes, about.
const OVERHEAD: usize = 200;

#[derive(Debug)]
pub(super) struct HotBlocks(Cache<Cid, Bytes>);

impl Default for HotBlocks {
    fn default() -> Self {
        let weight = |_: &Cid, block: &Bytes| u32::try_from(block.len() + OVERHEAD).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MAX_BYTES).weigher(weight).time_to_idle(IDLE).build())
    }
}

impl HotBlocks {
    pub(super) fn get(&self, cid: &Cid) -> Option<Bytes> {
        self.0.get(cid)
    }

    pub(super) fn insert(&self, cid: Cid, block: Bytes) {
        self.0.insert(cid, block);
    }

    /// What was removed from disk is not served from memory.
    pub(super) fn forget(&self, cid: &Cid) {
        self.0.invalidate(cid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unixfs;

    #[test]
    fn what_was_read_lately_is_kept_within_its_bound() {
        let (hot, size) = (HotBlocks::default(), 1 << 20);
        let blocks: Vec<Bytes> = (0..40_u8).map(|number| vec![number; size].into()).collect();
        let cids: Vec<Cid> = blocks.iter().map(|block| unixfs::raw_leaf(block).cid).collect();
        assert_eq!(hot.get(&cids[0]), None);
        hot.insert(cids[0], blocks[0].clone());
        hot.forget(&cids[0]);
        assert_eq!(hot.get(&cids[0]), None);
        for (cid, block) in cids.iter().zip(&blocks) {
            hot.insert(*cid, block.clone());
        }
        hot.0.run_pending_tasks();
        let kept = cids.iter().filter(|cid| hot.get(cid).is_some()).count();
        assert!((1..=16).contains(&kept), "{kept}");
        for (cid, block) in cids.iter().zip(&blocks) {
            assert!(hot.get(cid).is_none_or(|kept| kept == *block));
        }
    }
}
