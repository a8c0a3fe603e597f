//! Renditions: a broadcast in other encodings, for links and phones that the original is too much for.

use crate::BroadcastId;

/// Characters of a rendition's name: it stands in menus.
pub const MAX_RENDITION_NAME_CHARS: usize = 32;

/// Renditions of one broadcast that count: more are no ladder.
pub const MAX_RENDITIONS: usize = 8;

/// The name of the rendition that is made of pictures to look through a broadcast with: no other has it.
pub const THUMBNAILS: &str = "Thumbnails";

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
    /// Where it is no media, but pictures to look through the broadcast with: how they are laid out. Each segment is a JPEG, and
    /// the initialization section of a timeline is the JPEG that stands for it: its poster.
    pub tiles: Option<Tiles>,
}

impl Rendition {
    /// Whether it is made of pictures to look through the broadcast with.
    pub fn is_of_images(&self) -> bool {
        self.tiles.is_some()
    }
}

/// How a picture is made of smaller ones, as `EXT-X-TILES` of Image Media Playlists has it (`LAYOUT`). Each shows an equal part of
/// the segment's time, row by row; the variant's resolution is that of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// Side by side.
    pub columns: u32,
    /// One below the other.
    pub rows: u32,
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
