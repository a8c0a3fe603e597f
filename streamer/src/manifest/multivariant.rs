//! A multivariant playlist (RFC 8216 §4.3.4, where it is called a Master Playlist): a broadcast and its renditions.

use std::fmt::Write as _;

use stream_model::Variant;

/// One encoding, and its playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariantStream {
    pub(crate) variant: Variant,
    /// Relative to that of the multivariant playlist.
    pub(crate) uri: String,
}

/// The text of a multivariant playlist; players begin with the first.
pub(crate) fn multivariant(streams: &[VariantStream]) -> String {
    let mut text = String::from("#EXTM3U\n");
    for VariantStream { variant, uri } in streams {
        let Variant { bandwidth, codecs, resolution } = variant;
        let _infallible = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\"");
        if let Some((width, height)) = resolution {
            let _infallible = write!(text, ",RESOLUTION={width}x{height}");
        }
        let _infallible = writeln!(text, "\n{uri}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_can_choose_among_what_is_listed() {
        let stream = |bandwidth, codecs: &str, resolution, uri: &str| VariantStream {
            variant: Variant { bandwidth, codecs: codecs.to_owned(), resolution },
            uri: uri.to_owned(),
        };
        let text = multivariant(&[
            stream(3_000_000, "avc1.4d401f,mp4a.40.2", Some((1280, 720)), "index.m3u8"),
            stream(96_000, "mp4a.40.2", None, "../sound/index.m3u8"),
        ]);
        let (_, parsed) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        let read: Vec<_> = parsed
            .variants
            .iter()
            .map(|variant| {
                let resolution = variant.resolution.map(|size| (size.width, size.height));
                (variant.bandwidth, variant.codecs.as_deref(), resolution, variant.uri.as_str())
            })
            .collect();
        assert_eq!(
            read,
            [
                (3_000_000, Some("avc1.4d401f,mp4a.40.2"), Some((1280, 720)), "index.m3u8"),
                (96_000, Some("mp4a.40.2"), None, "../sound/index.m3u8"),
            ]
        );
    }
}
