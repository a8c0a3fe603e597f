//! Bitswap messages on the wire: protobuf, each prefixed with its length as a varint.
//!
//! Source: <https://specs.ipfs.tech/bitswap-protocol/>. Frames come in, messages whose blocks are verified go out, and
//! the other way round. Decoding bounds every count before it allocates; nothing here reads or writes a socket.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cid::{Cid, Version};
use multihash_codetable::{Code, MultihashDigest};
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint, skip_field,
};

/// The largest message that is read or written, as the specification asks ("must be less than or equal to 4 MiB").
pub(crate) const MAX_MESSAGE: usize = 4 << 20;

/// The largest block that is taken or served: the specification's limit for interoperability.
pub(crate) const MAX_BLOCK: usize = 2 << 20;

/// Entries, presences and blocks of one message. A decoded entry is several times the two bytes that the smallest one
/// takes on the wire, so that the size of the message alone does not bound the memory. Kubo sends at most 1024.
pub(crate) const MAX_ITEMS: usize = 16_384;

/// Bytes of the longest length prefix that [`MAX_MESSAGE`] needs.
pub(crate) const MAX_PREFIX: usize = 4;

/// Bytes of a CID on the wire; ours have 36, the longest hash of the multihash table has 64.
const MAX_CID: usize = 128;

/// What a wantlist entry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// The block itself.
    Block,
    /// Only whether the peer has it.
    Have,
}

/// One entry of a wantlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The sender wants this.
    Want {
        /// Of what.
        cid: Cid,
        /// The higher, the sooner.
        priority: i32,
        /// Block or presence.
        want: Want,
        /// Whether an answer is expected when the block is not there.
        send_dont_have: bool,
    },
    /// The sender no longer wants this.
    Cancel(Cid),
}

/// Whether a peer has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It has.
    Have,
    /// It has not.
    DontHave,
}

/// One Bitswap message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Whether `wantlist` replaces what was wanted before.
    pub(crate) full: bool,
    /// Wants and cancels.
    pub(crate) wantlist: Vec<Entry>,
    /// Blocks; after decoding, each matches its CID.
    pub(crate) blocks: Vec<(Cid, Bytes)>,
    /// Answers to wants.
    pub(crate) presences: Vec<(Cid, Presence)>,
}

/// Why a frame is not a message that is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// A length over [`MAX_MESSAGE`], or a length prefix that does not end.
    #[error("message is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// More than [`MAX_ITEMS`] entries, presences or blocks.
    #[error("message has more than {MAX_ITEMS} items")]
    TooMany,
    /// Not protobuf, or a field has another type than the specification's.
    #[error("message is not valid protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// Something that should be a CID is none.
    #[error("message has an invalid cid")]
    Cid,
    /// A block is larger than [`MAX_BLOCK`].
    #[error("message has a block of more than {MAX_BLOCK} bytes")]
    BlockTooLong,
}

/// The length that a frame's prefix declares, and the length of the prefix itself; `None` while `prefix` is incomplete.
pub(crate) fn frame_length(prefix: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut length = 0usize;
    for (index, byte) in prefix.iter().take(MAX_PREFIX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return if length <= MAX_MESSAGE { Ok(Some((length, index + 1))) } else { Err(WireError::TooLong) };
        }
    }
    if prefix.len() >= MAX_PREFIX { Err(WireError::TooLong) } else { Ok(None) }
}

impl Message {
    /// Decodes a frame without its length prefix. The CID of each block is computed from its bytes, so that a block
    /// can only be what it says it is; blocks under a hash that is not understood are left out.
    pub(crate) fn decode(frame: &Bytes) -> Result<Self, WireError> {
        if frame.len() > MAX_MESSAGE {
            return Err(WireError::TooLong);
        }
        let mut message = Self::default();
        fields(frame.clone(), |tag, value| {
            match (tag, value) {
                (1, Value::Bytes(wantlist)) => message.decode_wantlist(wantlist)?,
                (2, Value::Bytes(data)) => message.take_block(frame, Version::V0, DAG_PB, data)?,
                (3, Value::Bytes(payload)) => message.decode_payload(frame, payload)?,
                (4, Value::Bytes(presence)) => message.presences.push(decode_presence(presence)?),
                _ => {}
            }
            message.check_counts()
        })?;
        Ok(message)
    }

    fn check_counts(&self) -> Result<(), WireError> {
        let most = self.wantlist.len().max(self.blocks.len()).max(self.presences.len());
        if most > MAX_ITEMS { Err(WireError::TooMany) } else { Ok(()) }
    }

    fn decode_wantlist(&mut self, wantlist: Bytes) -> Result<(), WireError> {
        fields(wantlist, |tag, value| {
            match (tag, value) {
                (1, Value::Bytes(entry)) => self.wantlist.push(decode_entry(entry)?),
                (2, Value::Number(full)) => self.full = full != 0,
                _ => {}
            }
            self.check_counts()
        })
    }

    fn decode_payload(&mut self, frame: &Bytes, payload: Bytes) -> Result<(), WireError> {
        let (mut prefix, mut data) = (Bytes::new(), Bytes::new());
        fields(payload, |tag, value| {
            match (tag, value) {
                (1, Value::Bytes(bytes)) => prefix = bytes,
                (2, Value::Bytes(bytes)) => data = bytes,
                _ => {}
            }
            Ok(())
        })?;
        let version = Version::try_from(decode_varint(&mut prefix)?).map_err(|_| WireError::Cid)?;
        let codec = decode_varint(&mut prefix)?;
        let (hash, length) = (decode_varint(&mut prefix)?, decode_varint(&mut prefix)?);
        // Everything that Meshstream fetches is under SHA2-256; for other hashes nobody here can have asked.
        if hash != SHA2_256 || length != SHA2_256_LENGTH {
            return Ok(());
        }
        self.take_block(frame, version, codec, data)
    }

    fn take_block(&mut self, frame: &Bytes, version: Version, codec: u64, data: Bytes) -> Result<(), WireError> {
        if data.len() > MAX_BLOCK {
            return Err(WireError::BlockTooLong);
        }
        let hash = Code::Sha2_256.digest(&data);
        let cid = Cid::new(version, codec, hash).map_err(|_| WireError::Cid)?;
        // A small block must not keep a large frame in memory.
        let data = if data.len() * 2 < frame.len() { Bytes::copy_from_slice(&data) } else { data };
        self.blocks.push((cid, data));
        Ok(())
    }

    /// The frame with its length prefix, as chunks to be written one after the other: the bytes of blocks are not
    /// copied. The sender keeps messages below [`MAX_MESSAGE`].
    pub(crate) fn encode(&self) -> Vec<Bytes> {
        let mut head = BytesMut::new();
        if self.full || !self.wantlist.is_empty() {
            let mut wantlist = BytesMut::with_capacity(self.wantlist.len() * 48);
            for entry in &self.wantlist {
                put_bytes(1, &encode_entry(entry), &mut wantlist);
            }
            if self.full {
                put_number(2, 1, &mut wantlist);
            }
            put_bytes(1, &wantlist, &mut head);
        }
        for (cid, presence) in &self.presences {
            let mut item = BytesMut::with_capacity(48);
            put_bytes(1, &cid.to_bytes(), &mut item);
            if *presence == Presence::DontHave {
                put_number(2, 1, &mut item);
            }
            put_bytes(4, &item, &mut head);
        }
        // The length prefix comes first, once the length is known.
        let mut chunks = vec![Bytes::new()];
        for (cid, data) in &self.blocks {
            let prefix = encode_cid_prefix(cid);
            let length = bytes_length(prefix.len()) + bytes_length(data.len());
            encode_key(3, WireType::LengthDelimited, &mut head);
            encode_varint(length as u64, &mut head);
            put_bytes(1, &prefix, &mut head);
            encode_key(2, WireType::LengthDelimited, &mut head);
            encode_varint(data.len() as u64, &mut head);
            chunks.push(head.split().freeze());
            chunks.push(data.clone());
        }
        if !head.is_empty() {
            chunks.push(head.freeze());
        }
        let length: usize = chunks.iter().map(Bytes::len).sum();
        let mut prefix = BytesMut::with_capacity(MAX_PREFIX);
        encode_varint(length as u64, &mut prefix);
        chunks[0] = prefix.freeze();
        chunks
    }
}

/// Multicodec of dag-pb nodes.
const DAG_PB: u64 = 0x70;
/// Multicodec of the SHA2-256 multihash, and the bytes of its digest.
const SHA2_256: u64 = 0x12;
const SHA2_256_LENGTH: u64 = 32;

/// Value of a protobuf field; fixed-size numbers are of no use in these messages.
enum Value {
    Number(u64),
    Bytes(Bytes),
}

/// Calls `each` with the fields of a protobuf message; those of unknown types are skipped.
fn fields(mut message: Bytes, mut each: impl FnMut(u32, Value) -> Result<(), WireError>) -> Result<(), WireError> {
    while message.has_remaining() {
        let (tag, wire_type) = decode_key(&mut message)?;
        match wire_type {
            WireType::Varint => each(tag, Value::Number(decode_varint(&mut message)?))?,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut message)?;
                if length > message.len() as u64 {
                    return Err(WireError::TooLong);
                }
                each(tag, Value::Bytes(message.split_to(length as usize)))?;
            }
            _ => skip_field(wire_type, tag, &mut message, DecodeContext::default())?,
        }
    }
    Ok(())
}

fn decode_cid(bytes: &Bytes) -> Result<Cid, WireError> {
    if bytes.len() > MAX_CID {
        return Err(WireError::Cid);
    }
    Cid::try_from(bytes.as_ref()).map_err(|_| WireError::Cid)
}

fn decode_entry(entry: Bytes) -> Result<Entry, WireError> {
    let (mut cid, mut priority, mut cancel, mut want, mut send_dont_have) = (None, 1, false, Want::Block, false);
    fields(entry, |tag, value| {
        match (tag, value) {
            (1, Value::Bytes(bytes)) => cid = Some(decode_cid(&bytes)?),
            // Protobuf sends an int32 as the 64 bits of its sign extension.
            (2, Value::Number(number)) => priority = number as i32,
            (3, Value::Number(number)) => cancel = number != 0,
            (4, Value::Number(number)) => want = if number == 1 { Want::Have } else { Want::Block },
            (5, Value::Number(number)) => send_dont_have = number != 0,
            _ => {}
        }
        Ok(())
    })?;
    let cid = cid.ok_or(WireError::Cid)?;
    Ok(if cancel { Entry::Cancel(cid) } else { Entry::Want { cid, priority, want, send_dont_have } })
}

fn decode_presence(presence: Bytes) -> Result<(Cid, Presence), WireError> {
    let (mut cid, mut kind) = (None, Presence::Have);
    fields(presence, |tag, value| {
        match (tag, value) {
            (1, Value::Bytes(bytes)) => cid = Some(decode_cid(&bytes)?),
            (2, Value::Number(number)) => kind = if number == 0 { Presence::Have } else { Presence::DontHave },
            _ => {}
        }
        Ok(())
    })?;
    Ok((cid.ok_or(WireError::Cid)?, kind))
}

fn encode_entry(entry: &Entry) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(48);
    match entry {
        Entry::Cancel(cid) => {
            put_bytes(1, &cid.to_bytes(), &mut bytes);
            put_number(3, 1, &mut bytes);
        }
        Entry::Want { cid, priority, want, send_dont_have } => {
            put_bytes(1, &cid.to_bytes(), &mut bytes);
            put_number(2, i64::from(*priority) as u64, &mut bytes);
            if *want == Want::Have {
                put_number(4, 1, &mut bytes);
            }
            if *send_dont_have {
                put_number(5, 1, &mut bytes);
            }
        }
    }
    bytes
}

fn encode_cid_prefix(cid: &Cid) -> BytesMut {
    let mut prefix = BytesMut::with_capacity(8);
    for part in [cid.version().into(), cid.codec(), cid.hash().code(), u64::from(cid.hash().size())] {
        encode_varint(part, &mut prefix);
    }
    prefix
}

fn put_number(tag: u32, value: u64, into: &mut BytesMut) {
    encode_key(tag, WireType::Varint, into);
    encode_varint(value, into);
}

fn put_bytes(tag: u32, value: &[u8], into: &mut BytesMut) {
    encode_key(tag, WireType::LengthDelimited, into);
    encode_varint(value.len() as u64, into);
    into.put_slice(value);
}

/// Bytes that a field of `length` bytes takes; tags here are below 16 and take one.
fn bytes_length(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RAW: u64 = 0x55;

    fn cid(data: &[u8]) -> Cid {
        Cid::new_v1(RAW, Code::Sha2_256.digest(data))
    }

    /// What comes out at the other end of a stream.
    fn pass(message: &Message) -> Message {
        let frame: Vec<u8> = message.encode().concat();
        let (length, prefix) = frame_length(&frame).unwrap().unwrap();
        assert_eq!(frame.len(), prefix + length);
        Message::decode(&Bytes::from(frame).slice(prefix..)).unwrap()
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        (any::<[u8; 4]>(), any::<i32>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(seed, priority, have, send_dont_have, cancel)| match cancel {
                true => Entry::Cancel(cid(&seed)),
                false => Entry::Want {
                    cid: cid(&seed),
                    priority,
                    want: if have { Want::Have } else { Want::Block },
                    send_dont_have,
                },
            },
        )
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let block = prop::collection::vec(any::<u8>(), 0..2000).prop_map(|data| (cid(&data), Bytes::from(data)));
        let presence = (any::<[u8; 4]>(), any::<bool>())
            .prop_map(|(seed, have)| (cid(&seed), if have { Presence::Have } else { Presence::DontHave }));
        (
            any::<bool>(),
            prop::collection::vec(any_entry(), 0..40),
            prop::collection::vec(block, 0..8),
            prop::collection::vec(presence, 0..40),
        )
            .prop_map(|(full, wantlist, blocks, presences)| Message { full, wantlist, blocks, presences })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(message in any_message()) {
            prop_assert_eq!(pass(&message), message);
        }

        #[test]
        fn random_bytes_never_panic(frame in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = frame_length(&frame);
            let _ = Message::decode(&Bytes::from(frame));
        }

        #[test]
        fn a_damaged_message_never_panics_and_its_blocks_match_their_cids(
            message in any_message(), at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<bool>(),
        ) {
            let mut frame: Vec<u8> = message.encode().concat();
            let index = at.index(frame.len());
            if cut { frame.truncate(index) } else { frame[index] = value }
            if let Ok(decoded) = Message::decode(&Bytes::from(frame)) {
                for (cid, data) in decoded.blocks {
                    prop_assert_eq!(cid.hash(), &Code::Sha2_256.digest(&data));
                }
            }
        }
    }

    #[test]
    fn a_block_of_bitswap_1_1_with_another_hash_is_left_out() {
        let mut payload = BytesMut::new();
        // CIDv1, raw, blake2b-256, 32 bytes
        put_bytes(1, &[0x01, 0x55, 0xa0, 0xe4, 0x02, 0x20], &mut payload);
        put_bytes(2, b"data", &mut payload);
        let mut frame = BytesMut::new();
        put_bytes(3, &payload, &mut frame);
        assert_eq!(Message::decode(&frame.freeze()), Ok(Message::default()));
    }

    #[test]
    fn a_block_without_a_prefix_is_a_v0_node() {
        let mut frame = BytesMut::new();
        put_bytes(2, b"node", &mut frame);
        let message = Message::decode(&frame.freeze()).unwrap();
        assert_eq!(message.blocks[0].0, Cid::new_v0(Code::Sha2_256.digest(b"node")).unwrap());
    }

    #[test]
    fn a_small_block_does_not_keep_its_frame() {
        let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![7; 100_000]));
        let message =
            pass(&Message { blocks: vec![(cid(&small), small.clone()), (cid(&large), large)], ..Message::default() });
        assert!(message.blocks[0].1.is_unique(), "the small block has an allocation of its own");
    }

    #[test]
    fn more_items_than_allowed_are_refused_whatever_their_size() {
        let frame: Vec<u8> = [0x22, 38, 0x0a, 36].into_iter().chain(cid(b"x").to_bytes()).collect();
        let presences = Bytes::from(frame.repeat(MAX_ITEMS + 1));
        assert_eq!(Message::decode(&presences), Err(WireError::TooMany));
    }

    #[test]
    fn declared_lengths_over_the_limit_are_refused_before_anything_is_read() {
        assert_eq!(frame_length(&[0x80, 0x80, 0x80, 0x02]), Ok(Some((MAX_MESSAGE, 4))));
        assert_eq!(frame_length(&[0x81, 0x80, 0x80, 0x02]), Err(WireError::TooLong));
        assert_eq!(frame_length(&[0xff, 0xff, 0xff, 0xff]), Err(WireError::TooLong));
        assert_eq!(frame_length(&[0x80]), Ok(None));
        let block = vec![0u8; MAX_BLOCK + 1];
        let mut frame = BytesMut::new();
        put_bytes(2, &block, &mut frame);
        assert_eq!(Message::decode(&frame.freeze()), Err(WireError::BlockTooLong));
    }

    #[test]
    fn nested_groups_end_in_an_error_instead_of_the_stack() {
        let frame = Bytes::from(vec![0x2b; 100_000]);
        assert!(matches!(Message::decode(&frame), Err(WireError::Protobuf(_))));
    }

    #[test]
    fn a_wantlist_has_the_field_numbers_of_the_specification() {
        // Written by hand from the specification's `message Message`: one want-have with send_dont_have.
        let by_hand = "0a320a300a2401551220b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\
                        10ffffffff0720012801";
        let frame: Vec<u8> =
            (0..by_hand.len()).step_by(2).map(|at| u8::from_str_radix(&by_hand[at..at + 2], 16).unwrap()).collect();
        let message = Message::decode(&Bytes::from(frame)).unwrap();
        let entry =
            Entry::Want { cid: cid(b"hello world"), priority: i32::MAX, want: Want::Have, send_dont_have: true };
        assert_eq!(message.wantlist, vec![entry]);
        assert!(!message.full && message.blocks.is_empty() && message.presences.is_empty());
    }
}
