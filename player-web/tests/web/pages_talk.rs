//! Comments, the timeline, conversations and people.

use axum::http::StatusCode;
use stream_model::{BroadcastId, BroadcastState, FeedId, MessageKey};

use crate::get;
use crate::support::{FakeNode, broadcast_id, listing, post};

/// A feed or a message of one byte, as it stands in addresses.
fn slug(byte: u8) -> String {
    BroadcastId(MessageKey([byte; 32])).slug()
}

#[tokio::test]
async fn comments_stand_below_the_player_and_older_ones_on_a_page_of_their_own() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(1, "Talk", BroadcastState::Live));
    let root = broadcast_id(1).0;
    node.posts.lock().unwrap().extend((10..40).map(|byte| post(byte, &format!("comment *{byte}*"), Some(root))));
    let watch = get(&node, &format!("/watch/{}", slug(1))).await;
    assert!(watch.text().contains("comment <em>39</em>") && !watch.text().contains("<em>19</em>"));
    assert!(watch.text().contains(&format!("href=\"/admin/posts?broadcast={}\"", slug(1))));
    let older = watch.text().split('"').find(|text| text.contains("/comments?before=")).unwrap().to_owned();
    let page = get(&node, &older).await;
    assert!(
        page.text().contains("<em>19</em>")
            && page.text().contains("<em>10</em>")
            && !page.text().contains("<em>20</em>")
    );
    assert!(!page.text().contains("comments?before="));

    *node.problem.lock().unwrap() = Some("disk secret".to_owned());
    let broken = get(&node, &older).await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(broken.text().contains("Try again in a minute") && !broken.text().contains("secret"));
    let watch = get(&node, &format!("/watch/{}", slug(1))).await;
    assert_eq!(watch.status, StatusCode::OK, "nobody is kept from watching by comments");
}

#[tokio::test]
async fn an_answer_names_what_it_answers() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(1, "Talk", BroadcastState::Live));
    let root = broadcast_id(1).0;
    let mut answer = post(11, "so do I", Some(root));
    answer.branches = vec![MessageKey([10; 32])];
    node.posts.lock().unwrap().extend([post(10, "I see nothing", Some(root)), answer]);
    let watch = get(&node, &format!("/watch/{}", slug(1))).await;
    assert!(watch.text().contains(&format!("<a href=\"#post-{}\">In answer to", slug(10))), "{}", watch.text());
}

#[tokio::test]
async fn the_timeline_shows_posts_with_the_broadcasts_that_they_tell_of() {
    let node = FakeNode::new();
    node.listings.lock().unwrap().push(listing(1, "The festival", BroadcastState::Live));
    let mut tells = post(40, "We are **live** <script>alert(1)</script>", None);
    tells.broadcast = Some(broadcast_id(1));
    tells.replies = 2;
    node.posts.lock().unwrap().extend((10..30).map(|byte| post(byte, "older", None)));
    node.posts.lock().unwrap().push(tells);
    let page = get(&node, "/timeline").await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    assert!(html.contains("<strong>live</strong>") && !html.contains("<script>"), "{html}");
    assert!(html.contains("The festival") && html.contains(&format!("href=\"/thread/{}\"", slug(40))));
    let older = html.split('"').find(|text| text.starts_with("/timeline?before=")).unwrap();
    let last = get(&node, older).await;
    assert_eq!(last.text().matches("class=\"post\"").count(), 1);
    for odd in ["?before=x", "?before=", "?before=99999999999999999999"] {
        assert_eq!(get(&node, &format!("/timeline{odd}")).await.status, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn a_conversation_stands_with_its_answers_even_where_its_beginning_is_not_known() {
    let node = FakeNode::new();
    let root = MessageKey([40; 32]);
    node.posts.lock().unwrap().extend([post(41, "first answer", Some(root)), post(42, "second", Some(root))]);
    let without = get(&node, &format!("/thread/{}", slug(40))).await;
    assert!(without.text().contains("first answer") && without.text().contains("has not reached this node"));
    node.posts.lock().unwrap().push(post(40, "the question", None));
    let with = get(&node, &format!("/thread/{}", slug(40))).await;
    assert!(with.text().contains("the question") && !with.text().contains("has not reached this node, or"));
    for unknown in [slug(99), "x".to_owned()] {
        assert_eq!(get(&node, &format!("/thread/{unknown}")).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_person_has_a_page_with_what_they_wrote_and_broadcast() {
    let node = FakeNode::new();
    node.listings
        .lock()
        .unwrap()
        .extend([listing(5, "Theirs", BroadcastState::Live), listing(6, "Somebody else's", BroadcastState::Live)]);
    node.posts.lock().unwrap().extend([post(5, "my words", None), post(6, "not mine", None)]);
    let page = get(&node, &format!("/feed/{}", slug(5))).await;
    let html = page.text();
    assert!(html.contains("Theirs") && html.contains("my words") && html.contains("Town hall"));
    assert!(!html.contains("Somebody else") && !html.contains("not mine"));
    let written = FeedId([5; 32]).to_string().replace('/', "%2F").replace('+', "%2B");
    assert_eq!(get(&node, &format!("/feed/{written}")).await.status, StatusCode::OK);
    for unknown in [slug(99), "nobody".to_owned()] {
        assert_eq!(get(&node, &format!("/feed/{unknown}")).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
}
