//! The player as a web component, for pages of other origins.

use axum::http::{Method, StatusCode};

use crate::support::FakeNode;
use crate::{ask, get};

#[tokio::test]
async fn the_component_is_there_for_pages_of_other_origins_and_asked_for_anew_after_a_visit() {
    let node = FakeNode::new();
    for (path, media_type) in
        [("/player.js", "text/javascript; charset=utf-8"), ("/player.css", "text/css; charset=utf-8")]
    {
        let answer = get(&node, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let tag = answer.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");

        let gzip = ask(&node, Method::GET, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(gzip.header("content-encoding"), "gzip");
        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let again = ask(&node, Method::GET, path, &[("if-none-match", &known)]).await;
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(again.header("etag"), tag);
            assert_eq!(again.header("access-control-allow-origin"), "*");
        }
        let changed = ask(&node, Method::GET, path, &[("if-none-match", "\"older\"")]).await;
        assert_eq!(changed.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_component_can_load_its_texts_on_pages_of_other_origins() {
    let node = FakeNode::new();
    let script = get(&node, "/player.js").await;
    let text = script.text();
    let start = text.find("/assets/texts-es-").expect("no address of Spanish texts in the script");
    let path = text[start..].split(['"', '\'', '`']).next().unwrap();
    let texts = get(&node, path).await;
    assert_eq!(texts.status, StatusCode::OK, "{path}");
    assert_eq!(texts.header("access-control-allow-origin"), "*");
    assert!(texts.text().contains("player-go-live = Ir al directo"), "{}", texts.text());
}

#[tokio::test]
async fn who_asks_for_an_icon_by_itself_is_told_that_there_is_none() {
    let answer = get(&FakeNode::new(), "/favicon.ico").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(answer.header("cache-control"), "public, max-age=86400");
}
