use serde_json::json;
use stream_model::{Rendition, Tiles, Variant};

use super::*;

pub(super) fn rendition() -> Rendition {
    let variant = |bandwidth, codecs: &str, resolution| Variant { bandwidth, codecs: codecs.to_owned(), resolution };
    Rendition {
        of: broadcast_id(),
        name: "Sound".to_owned(),
        variant: variant(96_000, "mp4a.40.2", None),
        original: variant(3_000_000, "avc1.4d401f,mp4a.40.2", Some((1280, 720))),
        tiles: None,
    }
}

fn content_of(rendition: Rendition) -> Json {
    let start = BroadcastStart { rendition: Some(rendition), ..start() };
    let json = Announcement::Broadcast { start, feed: FeedId([2; 32]) }.to_json().unwrap();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn pictures_to_look_through_a_broadcast_with_have_a_layout_within_bounds() {
    let tiles = Some(Tiles { columns: 4, rows: 1 });
    let variant = Variant { bandwidth: 20_000, codecs: "jpeg".to_owned(), resolution: Some((256, 144)) };
    let pictures = Rendition { variant, tiles, ..rendition() };
    let content = content_of(pictures.clone());
    let Ok(Some(Announcement::Broadcast { start, .. })) = parse(BROADCAST, &content) else { panic!("{content}") };
    assert_eq!(start.rendition, Some(pictures));
    let changed = |field: &str, value: Json| {
        parse(BROADCAST, &with(content.clone(), "rendition", with(content["rendition"].clone(), field, value)))
    };
    for tiles in [json!({"columns": 0, "rows": 1}), json!({"columns": 4, "rows": 33})] {
        assert_eq!(changed("tiles", tiles), Err(ContentError::OutOfRange("tiles")));
    }
    assert_eq!(changed("tiles", json!(4)), Err(ContentError::Shape));
    let sideless = with(with(content["rendition"].clone(), "width", Json::Null), "height", Json::Null);
    let sideless = parse(BROADCAST, &with(content, "rendition", sideless));
    assert_eq!(sideless, Err(ContentError::OutOfRange("width and height")));
}

#[test]
fn a_rendition_that_would_break_a_playlist_or_a_menu_is_refused() {
    let content = content_of(rendition());
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
