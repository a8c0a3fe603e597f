//! Renditions: a broadcast in other encodings, for links and phones that the original is too much for.

use crate::BroadcastId;

/// Characters of a rendition's name: it stands in menus.
pub const MAX_RENDITION_NAME_CHARS: usize = 32;

/// Renditions of one broadcast that count: more are no ladder.
pub const MAX_RENDITIONS: usize = 8;

/// That a broadcast is another one, encoded otherwise: a Variant Stream of it (RFC 8216 §6.2.4). Its segments have the numbers,
/// durations and times of those that they were made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// The broadcast that it was made of; never a rendition itself.
    pub of: BroadcastId,
    /// Shown to people; untrusted where it comes from another node.
    pub name: String,
    /// What a player has to know of it.
    pub variant: Variant,
    /// And of the broadcast that it was made of: nothing of that has to be fetched to know it.
    pub original: Variant,
}

/// What a multivariant playlist says of a Variant Stream (RFC 8216 §4.3.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Peak segment bit rate, bit/s.
    pub bandwidth: u64,
    /// `CODECS` (RFC 6381), video first, separated by commas.
    pub codecs: String,
    /// Width and height in pixels, where there is a picture.
    pub resolution: Option<(u32, u32)>,
}
