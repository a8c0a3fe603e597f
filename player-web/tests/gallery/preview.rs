//! What the time line of the player shows of the moment that is pointed at.

use serde_json::{Value, json};
use testkit::browser::{Browser, Settings};

use crate::support::gallery::{ENDED, LIVE};
use crate::support::{broadcast_id, pictures};
use crate::{Gallery, of_broadcast};

/// What is seen of the preview: the JPEG and its part, what is said, and whether all of it is within the player, but for what
/// browsers round.
const SEEN: &str = "(() => {
    const [pointed, tile, player] = ['#pointed', '#pointed .tile', '#player'].map((name) => document.querySelector(name));
    const image = tile.querySelector('img');
    if (pointed.hidden) return null;
    const [inner, outer] = [pointed, player].map((element) => element.getBoundingClientRect());
    const beyond = [outer.left - inner.left, inner.right - outer.right, outer.top - inner.top, inner.bottom - outer.bottom];
    const within = Math.max(...beyond) < 0.5;
    const part = image.style.transform.replace(/^scale\\([\\d.]+\\) /, '');
    const drawn = !tile.hidden && !image.hidden && image.naturalWidth > 0 && tile.offsetWidth > 40;
    return { file: drawn ? new URL(image.src).pathname : '', part, text: pointed.textContent, within };
})()";

/// Has the pointer do something at a part of the time line.
fn pointer(event: &str, share: f64) -> String {
    format!(
        "(() => {{
            const bar = document.querySelector('#bar');
            const {{ left, top, width }} = bar.getBoundingClientRect();
            const at = {{ clientX: left + {share} * width, clientY: top + 5, pointerType: 'mouse', bubbles: true }};
            bar.dispatchEvent(new PointerEvent('{event}', at));
        }})()"
    )
}

async fn seen(browser: &mut Browser, file: &str) -> Value {
    browser.until_eval(SEEN, |seen| seen["file"] == file).await.unwrap()
}

#[tokio::test]
async fn the_moment_that_is_pointed_at_is_shown_within_the_player() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    let sprite = |number: u64| {
        let state = stream_model::BroadcastState::Ended;
        format!("/hls/{}/{number}.jpg", pictures(83, ENDED, state).id.slug())
    };
    for (page, width, height) in [("/watch", 1440, 900), ("/watch", 320, 640), ("/embed", 640, 420)] {
        browser.resize(width, height).await.unwrap();
        browser.goto(&gallery.url(&of_broadcast(page, ENDED))).await.unwrap();
        browser.wait_for("#bar .span").await.unwrap();
        // Of the film's 12 s, in parts of 0.4 s.
        for (share, number, part) in
            [(0.0, 0, "translate(0px, 0px)"), (0.41, 2, "translate(-320px, 0px)"), (0.99, 5, "translate(-640px, 0px)")]
        {
            browser.eval(&pointer("pointermove", share)).await.unwrap();
            let shown = seen(&mut browser, &sprite(number)).await;
            assert_eq!((&shown["part"], &shown["within"]), (&json!(part), &json!(true)), "{page} {width} px: {shown}");
        }
        browser.eval(&pointer("pointerleave", 0.5)).await.unwrap();
        assert_eq!(browser.eval(SEEN).await.unwrap(), Value::Null, "{page}");
    }
    assert_eq!(browser.errors().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_key_seeks_is_shown_for_a_while() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    browser.goto(&gallery.url(&of_broadcast("/watch", ENDED))).await.unwrap();
    browser.wait_for("#bar .span").await.unwrap();
    // The list of pictures is asked for with the first look.
    browser.eval(&pointer("pointermove", 0.0)).await.unwrap();
    browser.until_eval(SEEN, |seen| seen["file"] != "").await.unwrap();
    browser.eval(&pointer("pointerleave", 0.0)).await.unwrap();
    browser.eval("document.querySelector('#bar').focus()").await.unwrap();
    browser.key("End").await.unwrap();
    browser.key("ArrowLeft").await.unwrap();
    browser.until_eval(SEEN, |seen| seen["within"] == true).await.unwrap();
    browser.until_eval(SEEN, Value::is_null).await.unwrap();
}

#[tokio::test]
async fn where_there_are_no_pictures_the_time_alone_is_shown() {
    let gallery = Gallery::open();
    gallery.node.listings.lock().unwrap().retain(|listing| listing.rendition.is_none());
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    browser.goto(&gallery.url(&of_broadcast("/watch", ENDED))).await.unwrap();
    browser.wait_for("#bar .span").await.unwrap();
    browser.eval(&pointer("pointermove", 0.5)).await.unwrap();
    let shown = browser.until_eval(SEEN, |seen| !seen.is_null()).await.unwrap();
    assert_eq!((&shown["file"], &shown["within"]), (&json!(""), &json!(true)), "{shown}");
    assert!(!shown["text"].as_str().unwrap().is_empty());
    assert!(browser.requests().await.unwrap().iter().all(|url| !url.contains("thumbnails.vtt")));
    assert_eq!(browser.eval("document.querySelector('video').poster").await.unwrap(), "");
}

#[tokio::test]
async fn the_poster_is_there_before_the_video() {
    let gallery = Gallery::open();
    let mut browser = Browser::open_with(&gallery.url("/"), &Settings::default()).await.unwrap();
    for page in ["/watch", "/embed"] {
        browser.goto(&gallery.url(&of_broadcast(page, LIVE))).await.unwrap();
        browser.wait_for("#bar").await.unwrap();
        let poster = gallery.url(&format!("/hls/{}/poster.jpg", broadcast_id(LIVE).slug()));
        assert_eq!(browser.eval("document.querySelector('#video').poster").await.unwrap(), poster, "{page}");
    }
}
