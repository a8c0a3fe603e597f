//! The box stream: bytes encrypted in bodies of at most 4096 bytes, each behind an encrypted header, ended by a
//! goodbye that proves that nothing was cut off.
//!
//! [`Sealer`] and [`Opener`] are the codec without input or output; [`BoxReader`] and [`BoxWriter`] put a socket's
//! halves under them. What is read is authentic bytes or an error, never a guess.
//!
//! Source: Scuttlebutt Protocol Guide, "Box stream".

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::crypto::{TAG, open, seal};
use super::state::BoxKey;

/// The most bytes of one body (protocol guide, "Box stream").
pub const MAX_BODY: usize = 4096;
/// A header: its own tag, and sealed within it the body's length and tag.
const HEADER: usize = TAG + HEADER_BODY;
const HEADER_BODY: usize = 2 + TAG;
/// How much is asked of the socket at once: about a hundred messages, which are then stored together.
const READ_AT_ONCE: usize = 16 * (HEADER + MAX_BODY);

/// Why a box stream cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoxStreamError {
    /// A header or a body was changed, cut or sealed with other keys.
    #[error("received bytes that the peer did not seal")]
    NotAuthentic,
    /// The peer sealed a length that the protocol forbids.
    #[error("the peer announced a body of {0} bytes where 1 to {MAX_BODY} are allowed")]
    BodyLength(usize),
    /// The connection ended without a goodbye.
    #[error("the connection ended without a goodbye")]
    CutOff,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
}

/// Encrypts one direction.
#[derive(Debug)]
pub struct Sealer {
    key: BoxKey,
}

impl Sealer {
    /// Begins with the key and the nonce of the handshake.
    pub fn new(key: BoxKey) -> Self {
        Self { key }
    }

    /// Appends `plain`, sealed, to `out`.
    pub fn seal(&mut self, plain: &[u8], out: &mut BytesMut) {
        for body in plain.chunks(MAX_BODY) {
            let header_nonce = self.key.next_nonce();
            let body_nonce = self.key.next_nonce();
            let mut sealed = [0; MAX_BODY];
            let sealed = &mut sealed[..body.len()];
            sealed.copy_from_slice(body);
            let tag = seal(&self.key.key, &body_nonce, sealed);
            let length = u16::try_from(body.len()).expect("a body has at most 4096 bytes");
            let mut header = [0; HEADER_BODY];
            header[..2].copy_from_slice(&length.to_be_bytes());
            header[2..].copy_from_slice(&tag);
            out.extend_from_slice(&seal(&self.key.key, &header_nonce, &mut header));
            out.extend_from_slice(&header);
            out.extend_from_slice(sealed);
        }
    }

    /// Appends the goodbye, after which nothing may be sealed.
    pub fn seal_goodbye(mut self, out: &mut BytesMut) {
        let mut header = [0; HEADER_BODY];
        let nonce = self.key.next_nonce();
        out.extend_from_slice(&seal(&self.key.key, &nonce, &mut header));
        out.extend_from_slice(&header);
    }
}

/// What an [`Opener`] made of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// A body was appended to the output.
    Body,
    /// The input does not hold a whole body yet.
    Incomplete,
    /// The peer said goodbye.
    Goodbye,
}

/// Decrypts one direction.
#[derive(Debug)]
pub struct Opener {
    key: BoxKey,
    state: OpenerState,
}

#[derive(Debug, Clone, Copy)]
enum OpenerState {
    Header,
    Body { length: usize, tag: [u8; TAG] },
    Ended,
}

impl Opener {
    /// Begins with the key and the nonce of the handshake.
    pub fn new(key: BoxKey) -> Self {
        Self { key, state: OpenerState::Header }
    }

    /// Takes at most one body from the front of `sealed` and appends it, decrypted, to `plain`.
    ///
    /// # Errors
    /// Where what was received is not authentic or breaks the protocol; the stream is of no use then.
    pub fn open(&mut self, sealed: &mut BytesMut, plain: &mut BytesMut) -> Result<Opened, BoxStreamError> {
        loop {
            match self.state {
                OpenerState::Ended => return Ok(Opened::Goodbye),
                OpenerState::Header if sealed.len() < HEADER => return Ok(Opened::Incomplete),
                OpenerState::Header => self.state = self.open_header(&sealed.split_to(HEADER))?,
                OpenerState::Body { length, .. } if sealed.len() < length => return Ok(Opened::Incomplete),
                OpenerState::Body { length, tag } => {
                    let mut body = sealed.split_to(length);
                    let nonce = self.key.next_nonce();
                    if !open(&self.key.key, &nonce, &tag, &mut body) {
                        return Err(BoxStreamError::NotAuthentic);
                    }
                    plain.extend_from_slice(&body);
                    self.state = OpenerState::Header;
                    return Ok(Opened::Body);
                }
            }
        }
    }

    fn open_header(&mut self, sealed: &[u8]) -> Result<OpenerState, BoxStreamError> {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&sealed[..TAG]);
        let mut header = [0; HEADER_BODY];
        header.copy_from_slice(&sealed[TAG..]);
        let nonce = self.key.next_nonce();
        if !open(&self.key.key, &nonce, &tag, &mut header) {
            return Err(BoxStreamError::NotAuthentic);
        }
        if header == [0; HEADER_BODY] {
            return Ok(OpenerState::Ended);
        }
        let length = usize::from(u16::from_be_bytes([header[0], header[1]]));
        if !(1..=MAX_BODY).contains(&length) {
            return Err(BoxStreamError::BodyLength(length));
        }
        tag.copy_from_slice(&header[2..]);
        Ok(OpenerState::Body { length, tag })
    }
}

impl BoxKey {
    /// The nonce to use now; the next call gives it counted up as a big-endian number.
    fn next_nonce(&mut self) -> [u8; 24] {
        let now = self.nonce;
        for byte in self.nonce.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        now
    }
}

/// The receiving half of an encrypted connection.
#[derive(Debug)]
pub struct BoxReader<R> {
    inner: R,
    opener: Opener,
    sealed: BytesMut,
}

impl<R: AsyncRead + Unpin> BoxReader<R> {
    /// Decrypts what `inner` yields.
    pub fn new(inner: R, key: BoxKey) -> Self {
        Self { inner, opener: Opener::new(key), sealed: BytesMut::new() }
    }

    /// Appends at least one body to `plain`, and at most what one read yields; `false` where the peer said goodbye
    /// instead. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// Where the connection breaks, ends without a goodbye, or what arrives is not authentic.
    pub async fn read(&mut self, plain: &mut BytesMut) -> Result<bool, BoxStreamError> {
        let before = plain.len();
        loop {
            match self.opener.open(&mut self.sealed, plain)? {
                Opened::Body => continue,
                Opened::Goodbye if plain.len() == before => return Ok(false),
                Opened::Incomplete if plain.len() == before => {}
                Opened::Goodbye | Opened::Incomplete => return Ok(true),
            }
            self.sealed.reserve(READ_AT_ONCE);
            if self.inner.read_buf(&mut self.sealed).await? == 0 {
                return Err(BoxStreamError::CutOff);
            }
        }
    }
}

/// The sending half of an encrypted connection. It seals into a buffer; the caller asks how full that is and stops.
#[derive(Debug)]
pub struct BoxWriter<W> {
    inner: W,
    sealer: Sealer,
    sealed: BytesMut,
    written: u64,
}

impl<W: AsyncWrite + Unpin> BoxWriter<W> {
    /// Sends encrypted to `inner`.
    pub fn new(inner: W, key: BoxKey) -> Self {
        Self { inner, sealer: Sealer::new(key), sealed: BytesMut::new(), written: 0 }
    }

    /// Seals `plain` into the buffer, from where [`Self::write`] takes it.
    pub fn push(&mut self, plain: &[u8]) {
        self.sealer.seal(plain, &mut self.sealed);
    }

    /// Bytes in the buffer.
    pub fn buffered(&self) -> usize {
        self.sealed.len()
    }

    /// Bytes that the socket has taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes the buffer to the socket. May be cancelled: what was not written stays in the buffer.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn write(&mut self) -> Result<(), BoxStreamError> {
        while self.sealed.has_remaining() {
            let taken = self.inner.write_buf(&mut self.sealed).await?;
            if taken == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
            }
            self.written += taken as u64;
        }
        Ok(self.inner.flush().await?)
    }

    /// Writes what is left in the buffer, a goodbye, and closes this direction.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn close(mut self) -> Result<(), BoxStreamError> {
        self.sealer.seal_goodbye(&mut self.sealed);
        self.inner.write_all_buf(&mut self.sealed).await?;
        Ok(self.inner.shutdown().await?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> BoxKey {
        let mut nonce = [0xff; 24];
        nonce[0] = 0;
        BoxKey { key: [5; 32], nonce }
    }

    /// Feeds `sealed` in pieces of the sizes given (then the rest at once).
    fn open_in_pieces(sealed: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, bool), BoxStreamError> {
        let mut opener = Opener::new(key());
        let (mut input, mut plain) = (BytesMut::new(), BytesMut::new());
        let mut rest = sealed;
        let mut sizes = sizes.iter();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().map_or(rest.len(), |size| (*size).min(rest.len())));
            rest = after;
            input.extend_from_slice(piece);
            loop {
                match opener.open(&mut input, &mut plain)? {
                    Opened::Body => {}
                    Opened::Incomplete => break,
                    Opened::Goodbye => return Ok((plain.to_vec(), true)),
                }
            }
        }
        Ok((plain.to_vec(), false))
    }

    #[test]
    fn the_nonce_counts_up_over_its_whole_width() {
        let mut key = key();
        assert_eq!(key.next_nonce()[23], 0xff);
        let mut expected = [0; 24];
        expected[0] = 1;
        assert_eq!(key.next_nonce(), expected);
    }

    #[test]
    fn a_stream_cut_between_bodies_is_not_taken_for_its_end() {
        let mut sealed = BytesMut::new();
        Sealer::new(key()).seal(b"hello", &mut sealed);
        let (plain, goodbye) = open_in_pieces(&sealed, &[]).unwrap();
        assert_eq!((plain.as_slice(), goodbye), (b"hello".as_slice(), false));
    }

    #[test]
    fn a_sealed_length_beyond_the_limit_is_refused() {
        let mut key_of_peer = key();
        let mut header = [0; HEADER_BODY];
        header[..2].copy_from_slice(&4097u16.to_be_bytes());
        let nonce = key_of_peer.next_nonce();
        let tag = seal(&key_of_peer.key, &nonce, &mut header);
        let sealed = [&tag[..], &header[..]].concat();
        assert!(matches!(open_in_pieces(&sealed, &[]), Err(BoxStreamError::BodyLength(4097))));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_however_it_is_cut(
            writes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..9000), 0..4),
            sizes in proptest::collection::vec(1usize..5000, 0..12),
        ) {
            let mut sealer = Sealer::new(key());
            let mut sealed = BytesMut::new();
            for write in &writes {
                sealer.seal(write, &mut sealed);
            }
            sealer.seal_goodbye(&mut sealed);
            let (plain, goodbye) = open_in_pieces(&sealed, &sizes).unwrap();
            prop_assert_eq!(plain, writes.concat());
            prop_assert!(goodbye);
        }

        #[test]
        fn a_changed_byte_is_never_delivered(plain in proptest::collection::vec(any::<u8>(), 1..5000), at: usize, bit in 0u8..8) {
            let mut sealed = BytesMut::new();
            Sealer::new(key()).seal(&plain, &mut sealed);
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert!(matches!(open_in_pieces(&sealed, &[]), Err(BoxStreamError::NotAuthentic)));
        }

        #[test]
        fn random_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 34..6000)) {
            prop_assert!(open_in_pieces(&bytes, &[]).is_err());
        }
    }
}
