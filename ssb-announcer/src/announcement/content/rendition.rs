//! The field `rendition` of `meshstream-broadcast`: of which broadcast it is another encoding, and what a player has to know.

use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, MAX_RENDITION_NAME_CHARS, MessageKey, Rendition, Tiles, Variant};

use super::{ContentError, integer, text_length};
use crate::announcement::text;

/// Characters of `codecs`: two of them with room.
const MAX_CODECS_CHARS: usize = 100;
/// The largest width or height of a picture in pixels: that of 8K.
const MAX_SIDE: u32 = 8_192;
/// The most pictures side by side, or one below the other.
const MAX_TILES: u32 = 32;

#[derive(Serialize, Deserialize)]
pub(super) struct RenditionContent {
    of: MessageKey,
    name: String,
    #[serde(flatten)]
    variant: VariantContent,
    original: VariantContent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tiles: Option<TilesContent>,
}

#[derive(Serialize, Deserialize)]
struct TilesContent {
    columns: u32,
    rows: u32,
}

#[derive(Serialize, Deserialize)]
struct VariantContent {
    bandwidth: u64,
    codecs: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

impl RenditionContent {
    pub(super) fn new(rendition: &Rendition) -> Self {
        let Rendition { of, name, variant, original, tiles } = rendition;
        Self {
            of: of.0,
            name: name.clone(),
            variant: VariantContent::new(variant),
            original: VariantContent::new(original),
            tiles: tiles.map(|Tiles { columns, rows }| TilesContent { columns, rows }),
        }
    }

    pub(super) fn check(self) -> Result<Rendition, ContentError> {
        text_length("name", &self.name, MAX_RENDITION_NAME_CHARS)?;
        let (variant, tiles) = (self.variant.check()?, self.tiles.map(TilesContent::check).transpose()?);
        if tiles.is_some() && variant.resolution.is_none() {
            return Err(ContentError::OutOfRange("width and height"));
        }
        let (of, name) = (BroadcastId(self.of), text::line(&self.name));
        Ok(Rendition { of, name, variant, original: self.original.check()?, tiles })
    }
}

impl TilesContent {
    fn check(self) -> Result<Tiles, ContentError> {
        let Self { columns, rows } = self;
        let fits = |number: u32| (1..=MAX_TILES).contains(&number);
        if fits(columns) && fits(rows) { Ok(Tiles { columns, rows }) } else { Err(ContentError::OutOfRange("tiles")) }
    }
}

impl VariantContent {
    fn new(variant: &Variant) -> Self {
        let (width, height) = variant.resolution.unzip();
        Self { bandwidth: variant.bandwidth, codecs: variant.codecs.clone(), width, height }
    }

    fn check(self) -> Result<Variant, ContentError> {
        text_length("codecs", &self.codecs, MAX_CODECS_CHARS)?;
        let is_codec = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b',' | b'-');
        // They stand in playlists, between quotes.
        if self.codecs.is_empty() || !self.codecs.bytes().all(is_codec) {
            return Err(ContentError::OutOfRange("codecs"));
        }
        integer("bandwidth", self.bandwidth)?;
        if self.bandwidth == 0 {
            return Err(ContentError::OutOfRange("bandwidth"));
        }
        let resolution = self.width.zip(self.height);
        let is_side = |side: u32| (1..=MAX_SIDE).contains(&side);
        let fits = resolution.is_none_or(|(width, height)| is_side(width) && is_side(height));
        if !fits || self.width.is_some() != self.height.is_some() {
            return Err(ContentError::OutOfRange("width and height"));
        }
        Ok(Variant { bandwidth: self.bandwidth, codecs: self.codecs, resolution })
    }
}
