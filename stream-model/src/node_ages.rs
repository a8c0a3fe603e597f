//! How long ago the nodes of a [`NodeInfo`] spoke, apart from the rest of it, which seldom changes
//! (`docs/protocol/nodeinfo.md`).

use std::fmt;
use std::str::FromStr;

use crate::{KnownNode, NodeInfo};

/// Header of the status 304 of `/nodeinfo.json` that carries [`NodeAges`].
pub const NODE_AGES_HEADER: &str = "meshstream-node-ages";

/// Bytes of the header that are read: 64 ages with room.
const MAX_TEXT: usize = 1024;

/// The seconds since each node of a [`NodeInfo`] spoke, `None` where it is not told, in ascending order of the bytes of their feeds;
/// written as decimal numbers parted by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAges(Vec<Option<u64>>);

/// Why a text is no [`NodeAges`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ages are decimal numbers parted by commas, at most {MAX_TEXT} bytes")]
pub struct NodeAgesError;

impl NodeAges {
    /// Takes them out of it, and puts its nodes into their order: what is left is the same as long as nothing else changes.
    pub fn take(info: &mut NodeInfo) -> Self {
        info.nodes.sort_by_key(|node| node.identity.feed);
        Self(info.nodes.iter_mut().map(|node| node.age_seconds.take()).collect())
    }

    /// Puts them into it. `false`, and nothing is changed, where they are not as many as its nodes.
    pub fn put(self, info: &mut NodeInfo) -> bool {
        if self.0.len() != info.nodes.len() {
            return false;
        }
        let mut nodes: Vec<&mut KnownNode> = info.nodes.iter_mut().collect();
        nodes.sort_by_key(|node| node.identity.feed);
        nodes.into_iter().zip(self.0).for_each(|(node, age)| node.age_seconds = age);
        true
    }
}

impl fmt::Display for NodeAges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, age) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            age.map_or(Ok(()), |age| age.fmt(f))?;
        }
        Ok(())
    }
}

impl FromStr for NodeAges {
    type Err = NodeAgesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let age = |age: &str| match age.trim() {
            "" => Ok(None),
            age => age.parse().map(Some).map_err(|_| NodeAgesError),
        };
        if text.len() > MAX_TEXT {
            Err(NodeAgesError)
        } else {
            text.split(',').map(age).collect::<Result<_, _>>().map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FeedId, IpfsInfo, NodeIdentity, PeerId, SsbInfo, WebInfo};

    fn info(nodes: &[(u8, Option<u64>)]) -> NodeInfo {
        let peer = PeerId::from_multihash([vec![0x12, 32], vec![7; 32]].concat()).unwrap();
        let node = |(byte, age_seconds): &(u8, Option<u64>)| {
            let (feed, peer) = (FeedId([*byte; 32]), peer.clone());
            let identity = NodeIdentity { name: byte.to_string(), feed, peer, version: String::new() };
            KnownNode { identity, record: None, age_seconds: *age_seconds, hops: None }
        };
        NodeInfo {
            name: "hall".into(),
            version: String::new(),
            community: "open".into(),
            ssb: SsbInfo { feed: FeedId([0; 32]), port: 8008 },
            ipfs: IpfsInfo { peer: peer.clone(), port: 4001 },
            web: WebInfo { port: 8080 },
            location: None,
            nodes: nodes.iter().map(node).collect(),
            links: Vec::new(),
            record: None,
        }
    }

    #[test]
    fn what_is_left_without_them_does_not_depend_on_ages_or_order() {
        let (mut one, mut other) =
            (info(&[(3, Some(10)), (1, None), (2, Some(0))]), info(&[(2, Some(99)), (1, None), (3, None)]));
        assert_eq!(NodeAges::take(&mut one).to_string(), ",0,10");
        assert_eq!(NodeAges::take(&mut other).to_string(), ",99,");
        assert_eq!(one, other);
    }

    #[test]
    fn they_find_their_nodes_in_whatever_order_those_are() {
        let mut info = self::info(&[(3, Some(10)), (1, Some(5)), (2, None)]);
        assert!("7, ,40".parse::<NodeAges>().unwrap().put(&mut info));
        assert_eq!(info, self::info(&[(3, Some(40)), (1, Some(7)), (2, None)]));
        let before = info.clone();
        assert!(!"7,8".parse::<NodeAges>().unwrap().put(&mut info));
        assert_eq!(info, before);
    }

    #[test]
    fn what_is_no_list_of_ages_is_refused() {
        for text in ["-1", "1,x", "18446744073709551616", "1;2", &",".repeat(MAX_TEXT + 1)] {
            assert_eq!(text.parse::<NodeAges>(), Err(NodeAgesError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_are_read_as_they_were_written(ages in prop::collection::vec(any::<Option<u32>>(), 1..64)) {
            let ages = NodeAges(ages.into_iter().map(|age| age.map(u64::from)).collect());
            prop_assert_eq!(ages.to_string().parse(), Ok(ages));
        }
    }
}
