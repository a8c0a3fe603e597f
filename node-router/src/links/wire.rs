//! The datagrams of probes: `docs/protocol/probes.md`. An answer is as long as its probe, so that nobody makes more traffic
//! through this node than without it.

/// Bytes of the longest datagram.
pub(super) const LENGTH: usize = 20;

const HEAD: usize = 4;
const MAGIC: [u8; 3] = *b"MSP";
const PROBE: u8 = 1;
const ANSWER: u8 = 2;
const QUESTION: u8 = 3;
const TOLD: u8 = 4;

/// With the number of the probe, which only who saw it can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datagram {
    Probe(u64),
    Answer(u64),
    /// A probe that asks for the tag.
    Question(u64),
    /// Its answer: the number, and the tag of the nodes that are known.
    Told(u64, u64),
}

impl Datagram {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (kind, nonce, tag) = match self {
            Self::Probe(nonce) => (PROBE, nonce, None),
            Self::Answer(nonce) => (ANSWER, nonce, None),
            Self::Question(nonce) => (QUESTION, nonce, Some(0)),
            Self::Told(nonce, tag) => (TOLD, nonce, Some(tag)),
        };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(MAGIC);
        bytes.push(kind);
        bytes.extend(nonce.to_be_bytes());
        bytes.extend(tag.map(u64::to_be_bytes).into_iter().flatten());
        bytes
    }

    /// `None` for whatever else came.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, numbers) = bytes.split_first_chunk::<HEAD>()?;
        let (magic, kind) = (head.first_chunk::<3>()?, head[3]);
        let (nonce, tag) = numbers.split_first_chunk::<8>()?;
        let nonce = u64::from_be_bytes(*nonce);
        match (kind, tag.len()) {
            _ if *magic != MAGIC => None,
            (PROBE, 0) => Some(Self::Probe(nonce)),
            (ANSWER, 0) => Some(Self::Answer(nonce)),
            (QUESTION, 8) => Some(Self::Question(nonce)),
            (TOLD, 8) => Some(Self::Told(nonce, u64::from_be_bytes(tag.try_into().ok()?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_probe_and_its_answer_are_as_long_and_of_the_length_that_older_nodes_know() {
        let length = |datagram: Datagram| datagram.to_bytes().len();
        assert_eq!((length(Datagram::Probe(1)), length(Datagram::Answer(1))), (12, 12));
        assert_eq!((length(Datagram::Question(1)), length(Datagram::Told(1, 2))), (LENGTH, LENGTH));
    }

    proptest! {
        #[test]
        fn datagrams_are_read_as_they_were_written(nonce: u64, tag: u64) {
            let all = [Datagram::Probe(nonce), Datagram::Answer(nonce), Datagram::Question(nonce), Datagram::Told(nonce, tag)];
            for datagram in all {
                prop_assert_eq!(Datagram::from_bytes(&datagram.to_bytes()), Some(datagram));
            }
        }

        #[test]
        fn nothing_else_is_read(kind in 0u8..8, rest in proptest::collection::vec(any::<u8>(), 0..24), magic: bool) {
            let other = [if magic { &b"MSP"[..] } else { &b"MSQ"[..] }, &[kind], &rest].concat();
            let right = match kind {
                PROBE | ANSWER => 8,
                QUESTION | TOLD => 16,
                _ => usize::MAX,
            };
            prop_assert_eq!(Datagram::from_bytes(&other).is_some(), magic && rest.len() == right);
        }
    }
}
