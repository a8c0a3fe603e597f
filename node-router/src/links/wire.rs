//! The datagrams of probes: `docs/protocol/probes.md`. An answer is as long as its probe, so that nobody makes more traffic
//! through this node than without it.

/// Bytes of a datagram.
pub(super) const LENGTH: usize = 12;

const MAGIC: [u8; 3] = *b"MSP";
const PROBE: u8 = 1;
const ANSWER: u8 = 2;

/// With the number of the probe, which only who saw it can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datagram {
    Probe(u64),
    Answer(u64),
}

impl Datagram {
    pub(super) fn to_bytes(self) -> [u8; LENGTH] {
        let (kind, nonce) = match self {
            Self::Probe(nonce) => (PROBE, nonce),
            Self::Answer(nonce) => (ANSWER, nonce),
        };
        let mut bytes = [0; LENGTH];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = kind;
        bytes[4..].copy_from_slice(&nonce.to_be_bytes());
        bytes
    }

    /// `None` for whatever else came.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let (head, nonce) = bytes.split_first_chunk::<4>()?;
        let nonce = u64::from_be_bytes(nonce.try_into().ok()?);
        match head {
            [b'M', b'S', b'P', PROBE] => Some(Self::Probe(nonce)),
            [b'M', b'S', b'P', ANSWER] => Some(Self::Answer(nonce)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn datagrams_are_read_as_they_were_written_and_nothing_else_is(nonce: u64, other in proptest::collection::vec(any::<u8>(), 0..20)) {
            for datagram in [Datagram::Probe(nonce), Datagram::Answer(nonce)] {
                prop_assert_eq!(Datagram::from_bytes(&datagram.to_bytes()), Some(datagram));
            }
            if let Some(datagram) = Datagram::from_bytes(&other) {
                prop_assert_eq!(datagram.to_bytes().to_vec(), other);
            }
        }
    }
}
