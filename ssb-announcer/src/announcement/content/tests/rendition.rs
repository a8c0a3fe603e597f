use serde_json::json;
use stream_model::{Rendition, Variant};

use super::*;

pub(super) fn rendition() -> Rendition {
    let variant = |bandwidth, codecs: &str, resolution| Variant { bandwidth, codecs: codecs.to_owned(), resolution };
    Rendition {
        of: broadcast_id(),
        name: "Sound".to_owned(),
        variant: variant(96_000, "mp4a.40.2", None),
        original: variant(3_000_000, "avc1.4d401f,mp4a.40.2", Some((1280, 720))),
    }
}

#[test]
fn a_rendition_that_would_break_a_playlist_or_a_menu_is_refused() {
    let start = BroadcastStart { rendition: Some(rendition()), ..start() };
    let json = Announcement::Broadcast { start, feed: FeedId([2; 32]) }.to_json().unwrap();
    let content: Json = serde_json::from_str(&json).unwrap();
    let refused = [
        ("name", json!("x".repeat(33)), ContentError::TooLong("name")),
        ("bandwidth", json!(0), ContentError::OutOfRange("bandwidth")),
        ("bandwidth", json!(1_u64 << 53), ContentError::OutOfRange("bandwidth")),
        ("codecs", json!(""), ContentError::OutOfRange("codecs")),
        ("codecs", json!("mp4a\"\n#EXT"), ContentError::OutOfRange("codecs")),
        ("codecs", json!("x".repeat(101)), ContentError::TooLong("codecs")),
        ("width", json!(640), ContentError::OutOfRange("width and height")),
        ("of", json!("%no.sha256"), ContentError::Shape),
    ];
    for (field, value, error) in refused {
        let rendition = with(content["rendition"].clone(), field, value);
        assert_eq!(parse(BROADCAST, &with(content.clone(), "rendition", rendition)), Err(error), "{field}");
    }
}
