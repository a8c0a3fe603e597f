//! The field `rendition` of `meshstream-broadcast`: of which broadcast it is another encoding, and what a player has to know.

use serde::{Deserialize, Serialize};
use stream_model::{BroadcastId, MAX_RENDITION_NAME_CHARS, MessageKey, Rendition, Variant};

use super::{ContentError, integer, text_length};
use crate::announcement::text;

/// Characters of `codecs`: two of them with room.
const MAX_CODECS_CHARS: usize = 100;
/// The largest width or height of a picture in pixels: that of 8K.
const MAX_SIDE: u32 = 8_192;

#[derive(Serialize, Deserialize)]
pub(super) struct RenditionContent {
    of: MessageKey,
    name: String,
    #[serde(flatten)]
    variant: VariantContent,
    original: VariantContent,
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
        let Rendition { of, name, variant, original } = rendition;
        Self {
            of: of.0,
            name: name.clone(),
            variant: VariantContent::new(variant),
            original: VariantContent::new(original),
        }
    }

    pub(super) fn check(self) -> Result<Rendition, ContentError> {
        text_length("name", &self.name, MAX_RENDITION_NAME_CHARS)?;
        Ok(Rendition {
            of: BroadcastId(self.of),
            name: text::line(&self.name),
            variant: self.variant.check()?,
            original: self.original.check()?,
        })
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
