//! Packets of muxrpc: a 9-byte header and a body. Pure.
//!
//! Source: Scuttlebutt Protocol Guide, "RPC protocol"; npm `packet-stream-codec`.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The most bytes of a body. A message takes at most 8192 UTF-16 units, at most three bytes each; notes take some 64
/// bytes a feed, so that this holds those of 4000 feeds. Each connection may hold one such body.
pub const MAX_BODY: usize = 256 * 1024;
const HEADER: usize = 9;
const STREAM: u8 = 8;
const END: u8 = 4;
const ENCODING: u8 = 3;

/// Number of a request: positive where the receiver of the packet is called, negative where it is answered.
pub type RequestNumber = i32;

/// How a body is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes as they are.
    Binary,
    /// UTF-8 text.
    Text,
    /// A JSON value.
    Json,
}

/// One packet. We send none with an empty body, which JavaScript takes for a goodbye; but it sends one itself, after a
/// blob whose size is a multiple of 64 KiB (npm `pull-file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Which request it belongs to.
    pub request: RequestNumber,
    /// Whether the request is a stream.
    pub stream: bool,
    /// Whether it is the last of its direction, or an error.
    pub end: bool,
    /// How to read the body.
    pub encoding: Encoding,
    /// What it carries.
    pub body: Bytes,
}

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A packet.
    Packet(Packet),
    /// The peer will send no more.
    Goodbye,
}

/// Why bytes are not packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The header declares a body over the limit.
    #[error("the peer declared a packet of {0} bytes where at most {MAX_BODY} are accepted")]
    TooLong(usize),
    /// The header's encoding has no meaning.
    #[error("the peer sent a packet of unknown encoding")]
    UnknownEncoding,
}

impl Packet {
    /// Appends the packet as bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        debug_assert!(!self.body.is_empty() && self.body.len() <= MAX_BODY);
        let encoding = match self.encoding {
            Encoding::Binary => 0,
            Encoding::Text => 1,
            Encoding::Json => 2,
        };
        let flags = encoding | if self.stream { STREAM } else { 0 } | if self.end { END } else { 0 };
        out.reserve(HEADER + self.body.len());
        out.put_u8(flags);
        out.put_u32(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        out.put_i32(self.request);
        out.put_slice(&self.body);
    }
}

/// Appends the goodbye that ends muxrpc.
pub fn encode_goodbye(out: &mut BytesMut) {
    out.put_bytes(0, HEADER);
}

/// Takes one packet from the front of `input`; `None` where it is not whole yet. A declared length alone allocates
/// nothing.
///
/// # Errors
/// Where the bytes cannot be packets; the connection is of no use then.
pub fn decode(input: &mut BytesMut) -> Result<Option<Decoded>, PacketError> {
    let Some(header) = input.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let [flags, l0, l1, l2, l3, r0, r1, r2, r3] = *header;
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    let request = i32::from_be_bytes([r0, r1, r2, r3]);
    if length == 0 && request == 0 {
        return Ok(Some(Decoded::Goodbye));
    }
    if length > MAX_BODY {
        return Err(PacketError::TooLong(length));
    }
    let encoding = match flags & ENCODING {
        0 => Encoding::Binary,
        1 => Encoding::Text,
        2 => Encoding::Json,
        _ => return Err(PacketError::UnknownEncoding),
    };
    if input.len() < HEADER + length {
        return Ok(None);
    }
    input.advance(HEADER);
    let body = Bytes::copy_from_slice(&input.split_to(length));
    Ok(Some(Decoded::Packet(Packet { request, stream: flags & STREAM != 0, end: flags & END != 0, encoding, body })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_encoded_as_javascript_does() {
        let packet =
            Packet { request: 1, stream: true, end: false, encoding: Encoding::Json, body: Bytes::from_static(b"{}") };
        let mut out = BytesMut::new();
        packet.encode(&mut out);
        assert_eq!(&out[..], [0x0a, 0, 0, 0, 2, 0, 0, 0, 1, b'{', b'}']);
    }

    #[test]
    fn an_empty_body_ends_nothing_where_a_request_is_named() {
        let mut input = BytesMut::from(&[8, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
        let empty = Packet { request: -2, stream: true, end: false, encoding: Encoding::Binary, body: Bytes::new() };
        assert_eq!(decode(&mut input), Ok(Some(Decoded::Packet(empty))));
        assert_eq!(decode(&mut input), Ok(Some(Decoded::Goodbye)));
    }

    #[test]
    fn four_declared_gigabytes_are_refused_before_any_arrives() {
        let mut input = BytesMut::from(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1][..]);
        assert_eq!(decode(&mut input), Err(PacketError::TooLong(u32::MAX as usize)));
    }

    proptest! {
        #[test]
        fn packets_read_back_however_they_are_cut(
            packets in proptest::collection::vec(
                (any::<i32>(), any::<bool>(), any::<bool>(), 0u8..3, proptest::collection::vec(any::<u8>(), 1..600)), 0..8),
            size in 1usize..700,
        ) {
            let packets: Vec<Packet> = packets.into_iter().map(|(request, stream, end, encoding, body)| Packet {
                request, stream, end, body: body.into(),
                encoding: [Encoding::Binary, Encoding::Text, Encoding::Json][usize::from(encoding)],
            }).collect();
            let mut bytes = BytesMut::new();
            packets.iter().for_each(|packet| packet.encode(&mut bytes));
            encode_goodbye(&mut bytes);
            let (mut input, mut read) = (BytesMut::new(), Vec::new());
            let mut goodbye = false;
            for piece in bytes.chunks(size) {
                input.extend_from_slice(piece);
                while let (false, Some(decoded)) = (goodbye, decode(&mut input).unwrap()) {
                    match decoded {
                        Decoded::Packet(packet) => read.push(packet),
                        Decoded::Goodbye => goodbye = true,
                    }
                }
            }
            prop_assert_eq!(read, packets);
            prop_assert!(goodbye);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(&bytes[..]);
            while let Ok(Some(Decoded::Packet(_))) = decode(&mut input) {}
        }
    }
}
