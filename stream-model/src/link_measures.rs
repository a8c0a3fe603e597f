//! What a node measured of the links that it tells of, apart from the rest of its [`NodeInfo`]: it changes with each probe
//! (`docs/protocol/nodeinfo.md`).

use std::fmt;
use std::str::FromStr;

use crate::{NodeInfo, ToldLink};

/// Header of the status 304 of `/nodeinfo.json` that carries [`LinkMeasures`].
pub const LINK_MEASURES_HEADER: &str = "meshstream-link-measures";

/// Bytes of the header that are read: 32 links with room.
const MAX_TEXT: usize = 1024;

/// Round trip in milliseconds and loss in percent of each link of a [`NodeInfo`], `None` where it is not told, in ascending order of
/// the bytes of the feeds at their other ends; written as `rtt/loss`, parted by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkMeasures(Vec<(Option<u32>, Option<u8>)>);

/// Why a text is no [`LinkMeasures`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("measures are pairs such as 12/0 parted by commas, at most {MAX_TEXT} bytes")]
pub struct LinkMeasuresError;

impl LinkMeasures {
    /// Takes them out of it, and puts its links into their order: what is left is the same as long as nothing else changes.
    pub fn take(info: &mut NodeInfo) -> Self {
        info.links.sort_by_key(|link| link.feed);
        Self(info.links.iter_mut().map(|link| (link.rtt_ms.take(), link.loss_percent.take())).collect())
    }

    /// Puts them into it. `false`, and nothing is changed, where they are not as many as its links.
    pub fn put(self, info: &mut NodeInfo) -> bool {
        if self.0.len() != info.links.len() {
            return false;
        }
        info.links.sort_by_key(|link| link.feed);
        for (link, (rtt_ms, loss_percent)) in info.links.iter_mut().zip(self.0) {
            *link = ToldLink::new(link.feed, link.over, rtt_ms.map(u64::from), loss_percent.map(u64::from));
        }
        true
    }
}

impl fmt::Display for LinkMeasures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (rtt_ms, loss_percent)) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            rtt_ms.map_or(Ok(()), |rtt| rtt.fmt(f))?;
            f.write_str("/")?;
            loss_percent.map_or(Ok(()), |loss| loss.fmt(f))?;
        }
        Ok(())
    }
}

impl FromStr for LinkMeasures {
    type Err = LinkMeasuresError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        fn number<T: FromStr>(text: &str) -> Result<Option<T>, LinkMeasuresError> {
            match text.trim() {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_| LinkMeasuresError),
            }
        }
        let pair = |pair: &str| {
            let (rtt_ms, loss_percent) = pair.split_once('/').ok_or(LinkMeasuresError)?;
            Ok((number(rtt_ms)?, number(loss_percent)?))
        };
        match text.trim() {
            "" => Ok(Self(Vec::new())),
            text if text.len() > MAX_TEXT => Err(LinkMeasuresError),
            text => text.split(',').map(pair).collect::<Result<_, _>>().map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FeedId, IpfsInfo, LinkKind, PeerId, SsbInfo, WebInfo};

    fn info(links: &[(u8, Option<u64>, Option<u64>)]) -> NodeInfo {
        let peer = PeerId::from_multihash([vec![0x12, 32], vec![7; 32]].concat()).unwrap();
        let link = |(byte, rtt, loss): &(u8, _, _)| ToldLink::new(FeedId([*byte; 32]), LinkKind::Lan, *rtt, *loss);
        NodeInfo {
            name: "hall".into(),
            version: String::new(),
            community: "open".into(),
            ssb: SsbInfo { feed: FeedId([0; 32]), port: 8008 },
            ipfs: IpfsInfo { peer, port: 4001 },
            web: WebInfo { port: 8080 },
            location: None,
            nodes: Vec::new(),
            links: links.iter().map(link).collect(),
            record: None,
        }
    }

    #[test]
    fn what_is_left_without_them_does_not_depend_on_them() {
        let mut one = info(&[(3, Some(10), None), (1, None, None), (2, Some(0), Some(7))]);
        let mut other = info(&[(2, Some(99), None), (1, None, None), (3, None, Some(1))]);
        assert_eq!(LinkMeasures::take(&mut one).to_string(), "/,0/7,10/");
        assert_eq!(LinkMeasures::take(&mut other).to_string(), "/,99/,/1");
        assert_eq!(one, other);
    }

    #[test]
    fn they_find_their_links_and_only_where_they_are_as_many() {
        let mut info = self::info(&[(3, Some(10), None), (2, None, None)]);
        assert!("12/0,/100".parse::<LinkMeasures>().unwrap().put(&mut info));
        assert_eq!(info, self::info(&[(2, Some(12), Some(0)), (3, None, Some(100))]));
        let before = info.clone();
        assert!(!"1/1".parse::<LinkMeasures>().unwrap().put(&mut info));
        assert_eq!(info, before);
        assert!("4294967295/255,/".parse::<LinkMeasures>().unwrap().put(&mut info));
        assert_eq!(info, self::info(&[(2, None, None), (3, None, None)]), "what cannot be is not told");
    }

    #[test]
    fn what_is_no_list_of_measures_is_refused() {
        for text in ["1", "-1/2", "1/2,x", "1/256", "4294967296/", "1/2/3", &",/".repeat(MAX_TEXT)] {
            assert_eq!(text.parse::<LinkMeasures>(), Err(LinkMeasuresError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_are_read_as_they_were_written(measures in prop::collection::vec(any::<(Option<u32>, Option<u8>)>(), 0..32)) {
            let measures = LinkMeasures(measures);
            prop_assert_eq!(measures.to_string().parse(), Ok(measures));
        }
    }
}
