//! What the owner's pages show and have done.

use std::time::Duration;

use axum::http::StatusCode;
use stream_model::*;

use crate::admin::Browser;
use crate::support::{INVITE, UNKNOWN, UNWRITABLE, broadcast_id, listing, post};

/// A broadcast of this node's own.
fn own(byte: u8, title: &str, state: BroadcastState) -> Listing {
    Listing { own: true, ..listing(byte, title, state) }
}

#[track_caller]
fn check(answer: &crate::Answer, status: StatusCode, texts: &[&str]) {
    // Values stand between marks that isolate their direction.
    let page = answer.text().replace(['\u{2068}', '\u{2069}'], "");
    assert_eq!(answer.status, status, "{page}");
    for text in texts {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

fn hall() -> StreamName {
    "hall".parse().unwrap()
}

#[tokio::test]
async fn a_new_key_is_shown_once_with_the_address_for_encoders() {
    let browser = Browser::entered().await;
    let page = browser.submit("/admin/keys", "/admin/keys", &[("name", " hall "), ("archive", "no")]).await;
    let url = "rtmp://thisnode.info:1935/live/hall?key=00112233445566778899aabbccddeeff";
    check(&page, StatusCode::OK, &[url, "value=\"hall?key=0011", "shown only now"]);
    assert_eq!(*browser.node.keys.lock().unwrap(), [hall()]);
    assert_eq!(*browser.node.unkept.lock().unwrap(), [hall()]);
    let again = browser.get("/admin/keys").await;
    assert!(!again.text().contains("00112233"), "it is shown once");

    let twice = browser.submit("/admin/keys", "/admin/keys", &[("name", "hall")]).await;
    check(&twice, StatusCode::CONFLICT, &["name-error", "revoke it first", "value=\"hall\""]);
    let odd = browser.submit("/admin/keys", "/admin/keys", &[("name", "<b> c")]).await;
    check(&odd, StatusCode::UNPROCESSABLE_ENTITY, &["name-error", "aria-invalid", "&#60;b&#62; c"]);
}

#[tokio::test]
async fn a_key_is_revoked_after_a_question_and_its_archive_chosen() {
    let browser = Browser::entered().await;
    browser.submit("/admin/keys", "/admin/keys", &[("name", "hall")]).await;
    let page = browser.submit("/admin/keys", "/admin/keys/hall/archive", &[("archive", "no")]).await;
    check(&page, StatusCode::OK, &["From the next broadcast"]);
    assert_eq!(*browser.node.unkept.lock().unwrap(), [hall()]);
    let sure = browser.get("/admin/keys/hall/revoke").await;
    check(&sure, StatusCode::OK, &["Nobody can publish with it", "will be disconnected"]);
    assert_eq!(browser.node.keys.lock().unwrap().len(), 1, "a question changes nothing");
    let page = browser.submit("/admin/keys/hall/revoke", "/admin/keys/hall/revoke", &[]).await;
    check(&page, StatusCode::OK, &["no longer lets anyone in"]);
    assert!(browser.node.keys.lock().unwrap().is_empty());
    let gone = browser.submit("/admin/keys", "/admin/keys/hall/revoke", &[]).await;
    check(&gone, StatusCode::OK, &["There is no key of that name"]);
}

#[tokio::test]
async fn the_overview_says_what_needs_attention_what_can_be_installed_and_who_publishes() {
    let browser = Browser::entered().await;
    let says = [
        "sudo meshstream upgrade install",
        "0.2.0-1",
        "ed25519:6kpsY+Kc…",
        "No other node is connected",
        "hall",
        "3000 kbit/s",
        "-23 LUFS",
        "one of the two channels is silent",
    ];
    check(&browser.get("/admin").await, StatusCode::OK, &says);
}

#[tokio::test]
async fn a_broadcast_is_in_the_list_once_in_whatever_encodings_there_are() {
    let browser = Browser::entered().await;
    let variant = Variant { bandwidth: 96_000, codecs: "mp4a.40.2".to_owned(), resolution: None };
    let (of, name, original) = (broadcast_id(1), "Sound".to_owned(), variant.clone());
    let rendition = Some(Rendition { of, name, variant, original, tiles: None });
    let sound = Listing { rendition, ..own(9, "Hall (Sound)", BroadcastState::Live) };
    browser.node.listings.lock().unwrap().extend([own(1, "Hall", BroadcastState::Live), sound]);
    let answer = browser.get("/admin/broadcasts").await;
    let page = answer.text();
    assert!(page.contains(&broadcast_id(1).slug()) && !page.contains("(Sound)"), "{page}");
}

#[tokio::test]
async fn title_and_description_are_changed_during_a_broadcast_and_after_it() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(own(1, "<i>Old</i>", BroadcastState::Live));
    let id = broadcast_id(1);
    let path = format!("/admin/broadcasts/{}", id.slug());
    check(&browser.get("/admin/broadcasts").await, StatusCode::OK, &[&path, "&#60;i&#62;Old"]);
    let page = browser.submit(&path, &path, &[("title", "New"), ("description", "one\r\ntwo\r\n")]).await;
    check(&page, StatusCode::OK, &["told to the other nodes"]);
    assert_eq!(*browser.owner.updated.lock().unwrap(), [(id, "New".to_owned(), "one\ntwo".to_owned())]);
    let empty = browser.submit(&path, &path, &[("title", " "), ("description", "kept")]).await;
    check(&empty, StatusCode::UNPROCESSABLE_ENTITY, &["title-error", "write one", "kept"]);
}

#[tokio::test]
async fn a_broadcast_is_ended_after_a_question() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(own(1, "Hall", BroadcastState::Live));
    let path = format!("/admin/broadcasts/{}/end", broadcast_id(1).slug());
    check(&browser.get(&path).await, StatusCode::OK, &["it cannot be continued"]);
    assert!(browser.owner.ended.lock().unwrap().is_empty());
    check(&browser.submit(&path, &path, &[]).await, StatusCode::OK, &["The broadcast was ended"]);
    assert_eq!(*browser.owner.ended.lock().unwrap(), [broadcast_id(1)]);
}

#[tokio::test]
async fn how_long_a_broadcast_stays_is_set_and_it_is_deleted_after_a_question() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(listing(2, "Others", BroadcastState::Ended));
    let (id, path) = (broadcast_id(2), format!("/admin/broadcasts/{}", broadcast_id(2).slug()));
    let policy = || browser.owner.policies.lock().unwrap().first().map(|kept| (kept.broadcast, kept.policy));
    let keep = format!("{path}/keep");
    browser.submit(&path, &keep, &[("policy", "keep")]).await;
    assert_eq!(policy(), Some((id, KeepPolicy::Keep)));
    browser.submit(&path, &keep, &[("policy", "drop"), ("days", "30")]).await;
    assert_eq!(policy(), Some((id, KeepPolicy::DropAfter(Duration::from_secs(30 * 86_400)))));
    for days in ["", "0", "-1", "many", "999999999999"] {
        let page = browser.submit(&path, &keep, &[("policy", "drop"), ("days", days)]).await;
        check(&page, StatusCode::UNPROCESSABLE_ENTITY, &["days-error"]);
    }
    browser.submit(&path, &keep, &[("policy", "default")]).await;
    assert_eq!(policy(), None);
    let delete = format!("{path}/delete");
    check(
        &browser.get(&delete).await,
        StatusCode::OK,
        &["segments of it are here and are lost", "Its mirror here ends"],
    );
    assert_eq!(policy(), None);
    check(&browser.submit(&delete, &delete, &[]).await, StatusCode::OK, &["was deleted from this node"]);
    assert_eq!(policy(), Some((id, KeepPolicy::DropAfter(Duration::ZERO))));
}

#[tokio::test]
async fn broadcasts_of_others_are_mirrored_and_republished_and_own_ones_withdrawn() {
    let browser = Browser::entered().await;
    let both = [listing(2, "Others", BroadcastState::Ended), own(1, "Own", BroadcastState::Ended)];
    browser.node.listings.lock().unwrap().extend(both);
    let path = format!("/admin/broadcasts/{}", broadcast_id(2).slug());
    let page = browser.submit(&path, &format!("{path}/mirror"), &[("mirror", "yes")]).await;
    check(&page, StatusCode::OK, &["It is mirrored from now on", "0 of 0 segments here"]);
    assert_eq!(browser.owner.mirrors.lock().unwrap().len(), 1);
    browser.submit(&path, &format!("{path}/mirror"), &[("mirror", "no")]).await;
    assert!(browser.owner.mirrors.lock().unwrap().is_empty());
    let page = browser.submit(&path, &format!("{path}/republish"), &[("credit", "Radio Roof")]).await;
    check(&page, StatusCode::CONFLICT, &["credit-error", "mirror it first", "Radio Roof"]);

    let path = format!("/admin/broadcasts/{}/withdraw", broadcast_id(1).slug());
    check(&browser.get(&path).await, StatusCode::OK, &["a withdrawal cannot be unsaid"]);
    browser.submit(&path, &path, &[("reason", "a face"), ("copy", "remove")]).await;
    assert_eq!(*browser.owner.asked.lock().unwrap(), [format!("withdraw {} a face Remove", broadcast_id(1))]);
    let unknown = browser.submit("/admin", &format!("/admin/broadcasts/{}/end", UNKNOWN.slug()), &[]).await;
    check(&unknown, StatusCode::OK, &["not known here"]);
}

#[tokio::test]
async fn broadcasts_are_planned_changed_and_called_off() {
    let browser = Browser::entered().await;
    let plan =
        [("title", "Assembly"), ("description", ""), ("date", "2099-12-31"), ("time", "20:15"), ("zone", "+01:00")];
    let page = browser.submit("/admin/planned", "/admin/planned", &plan).await;
    check(&page, StatusCode::OK, &["The broadcast is planned"]);
    let (id, schedule) = browser.owner.scheduled.lock().unwrap()[0].clone();
    assert_eq!((schedule.title.as_str(), schedule.starts_at), ("Assembly", WallTime(4_102_427_700_000)));
    for (date, error) in [("2001-01-01", "in the past"), ("tomorrow", "no date and time")] {
        let wrong = [("title", "Assembly"), ("date", date), ("time", "20:15"), ("zone", "+00:00")];
        let page = browser.submit("/admin/planned", "/admin/planned", &wrong).await;
        check(&page, StatusCode::UNPROCESSABLE_ENTITY, &["date-error", error, "Assembly"]);
    }
    let Schedule { title, description, starts_at } = schedule;
    let planned = Scheduled { id, author: FeedId([0; 32]), own: true, title, description, starts_at };
    browser.node.upcoming.lock().unwrap().push(planned);
    let path = format!("/admin/planned/{}", id.slug());
    check(&browser.get(&path).await, StatusCode::OK, &["2099-12-31", "19:15", "Assembly"]);
    let changed = [("title", ""), ("date", "2099-12-31"), ("time", "19:15"), ("zone", "+00:00")];
    check(&browser.submit(&path, &path, &changed).await, StatusCode::UNPROCESSABLE_ENTITY, &["title-error"]);
    let changed = [("title", "Vote"), ("date", "2099-12-31"), ("time", "19:15"), ("zone", "+00:00")];
    check(&browser.submit(&path, &path, &changed).await, StatusCode::OK, &["The plan was changed"]);
    assert_eq!(browser.owner.scheduled.lock().unwrap()[0].1.title, "Vote");
    let cancel = format!("{path}/cancel");
    check(&browser.get(&cancel).await, StatusCode::OK, &["no longer shown as upcoming"]);
    check(&browser.submit(&cancel, &cancel, &[]).await, StatusCode::OK, &["called off"]);
    assert!(browser.owner.scheduled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_next_broadcast_of_a_stream_is_prepared_and_a_refused_publisher_let_in() {
    let browser = Browser::entered().await;
    browser.node.keys.lock().unwrap().push(hall());
    let fields = [("title", "Assembly"), ("description", "All welcome"), ("schedule", "")];
    let page = browser.submit("/admin/streams/hall", "/admin/streams/hall", &fields).await;
    check(&page, StatusCode::OK, &["is announced with this"]);
    let details = browser.owner.details.lock().unwrap()[&hall()].clone();
    assert_eq!((details.title.as_str(), details.description.as_str()), ("Assembly", "All welcome"));
    check(&browser.get("/admin/streams/hall").await, StatusCode::OK, &["value=\"Assembly\"", "rtmp://thisnode.info"]);
    browser.owner.refused.lock().unwrap().insert(hall());
    check(&browser.get("/admin/broadcasts").await, StatusCode::OK, &["Let it in again now"]);
    browser.submit("/admin/broadcasts", "/admin/streams/hall/admit", &[]).await;
    assert!(browser.owner.refused.lock().unwrap().is_empty());
}

#[tokio::test]
async fn feeds_are_followed_and_blocked_after_a_question() {
    let browser = Browser::entered().await;
    let feed = FeedId([9; 32]);
    let text = feed.to_string();
    let page = browser.submit("/admin/feeds", "/admin/feeds", &[("feed", &text), ("relation", "following")]).await;
    check(&page, StatusCode::OK, &["is followed", "Ada", "1 step away", "7 messages"]);
    let mut blocked = listing(9, "Their show", BroadcastState::Ended);
    blocked.author = feed;
    browser.node.listings.lock().unwrap().push(blocked);
    let sure = browser.submit("/admin/feeds", "/admin/feeds", &[("feed", &text), ("relation", "blocking")]).await;
    check(&sure, StatusCode::OK, &["What is stored of it here is deleted", "Their show"]);
    assert_eq!(browser.node.relations.lock().unwrap().len(), 1, "a question changes nothing");
    let fields = [("feed", &*text), ("relation", "blocking"), ("sure", "yes")];
    browser.submit("/admin/feeds", "/admin/feeds", &fields).await;
    let relations = [(feed, Relation::Following), (feed, Relation::Blocking)];
    assert_eq!(*browser.node.relations.lock().unwrap(), relations);
    for (wrong, status) in
        [("@x", StatusCode::UNPROCESSABLE_ENTITY), (&*FeedId([1; 32]).to_string(), StatusCode::CONFLICT)]
    {
        let page = browser.submit("/admin/feeds", "/admin/feeds", &[("feed", wrong), ("relation", "following")]).await;
        check(&page, status, &["feed-error"]);
    }
}

#[tokio::test]
async fn comments_are_hidden_and_shown_again() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(own(1, "Hall", BroadcastState::Live));
    browser.node.posts.lock().unwrap().push(post(7, "<script>spam", Some(broadcast_id(1).0)));
    let key = MessageKey([7; 32]);
    let slug = BroadcastId(key).slug();
    let page = format!("/admin/broadcasts/{}", broadcast_id(1).slug());
    check(&browser.get(&page).await, StatusCode::OK, &["&#60;script&#62;spam"]);
    let path = format!("/admin/hidden/{slug}");
    let back = format!("/watch/{}", broadcast_id(1).slug());
    check(&browser.get(&format!("{path}?back={back}")).await, StatusCode::OK, &["Hide this?", "spam", &back]);
    assert!(browser.owner.hidden.lock().unwrap().is_empty());
    let answer = browser.submit(&page, &path, &[("hide", "yes"), ("back", &page)]).await;
    check(&answer, StatusCode::OK, &["It is hidden on this node", "Show again"]);
    assert!(browser.owner.hides(&key));
    check(&browser.get("/admin/hidden").await, StatusCode::OK, &["spam", "hidden 2026-11-21"]);
    let answer = browser.submit("/admin/hidden", &path, &[("hide", "no"), ("back", "//evil.example")]).await;
    check(&answer, StatusCode::OK, &["It is shown again", "Nothing is hidden"]);
    assert!(!browser.owner.hides(&key));
}

#[tokio::test]
async fn the_node_posts_comments_and_replies() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(own(1, "Hall", BroadcastState::Live));
    browser.submit("/admin/posts", "/admin/posts", &[("text", "Good evening")]).await;
    let comment = format!("/admin/posts?broadcast={}", broadcast_id(1).slug());
    check(&browser.get(&comment).await, StatusCode::OK, &["A comment on this broadcast", "Hall"]);
    let slug = broadcast_id(1).slug();
    browser.submit(&comment, "/admin/posts", &[("text", "Sound is back"), ("broadcast", &slug)]).await;
    let said: Vec<_> = browser.node.posts.lock().unwrap().iter().map(|post| (post.text.clone(), post.root)).collect();
    let expected = [("Good evening".to_owned(), None), ("Sound is back".to_owned(), Some(broadcast_id(1).0))];
    assert_eq!(said, expected);
    for (text, status) in [("", StatusCode::UNPROCESSABLE_ENTITY), (UNWRITABLE, StatusCode::CONFLICT)] {
        check(&browser.submit("/admin/posts", "/admin/posts", &[("text", text)]).await, status, &["text-error"]);
    }
    let reply = BroadcastId(MessageKey([200; 32])).slug();
    check(&browser.get(&format!("/admin/posts?root={reply}")).await, StatusCode::OK, &["A reply to this post"]);
}

#[tokio::test]
async fn settings_say_when_they_take_effect_and_what_is_wrong() {
    let browser = Browser::entered().await;
    let set = async |key: &str, value: &str, action: &str| {
        let fields = [("key", key), ("value", value), ("action", action)];
        browser.submit("/admin/settings", "/admin/settings", &fields).await
    };
    check(&set("storage.quota", "20GiB", "set").await, StatusCode::OK, &["storage.quota was set."]);
    let page = set("mesh.mirror", "all", "set").await;
    check(&page, StatusCode::OK, &["when the node is restarted", "These changes are kept and wait", "runs with"]);
    check(
        &set("node.name", "nonsense", "set").await,
        StatusCode::UNPROCESSABLE_ENTITY,
        &[
            "node-name-error",
            "autofocus",
            "value=\"nonsense\"",
            "that is no value for it. A name of 1 to 100 characters.",
        ],
    );
    let wrong = [("key", "node.name"), ("value", "nonsense"), ("action", "set")];
    let spanish = browser.submit("/admin/settings", "/admin/settings?lang=es", &wrong).await;
    check(&spanish, StatusCode::UNPROCESSABLE_ENTITY, &["No se fijó", "Un nombre de 1 a 100 caracteres"]);
    check(&set("ssb.listen", "x", "set").await, StatusCode::NOT_FOUND, &["cannot be set here"]);
    set("mesh.mirror", "", "unset").await;
    let settings = browser.owner.settings.lock().unwrap().clone();
    assert_eq!(settings[1].next.as_deref(), Some("20GiB"));
    assert_eq!(settings[2].next, None);
}

#[tokio::test]
async fn storage_community_and_log_are_shown() {
    let browser = Browser::entered().await;
    let storage = browser.get("/admin/storage").await;
    check(&storage, StatusCode::OK, &["<meter", "10 B of", "value=\"10GiB\"", "Old"]);
    let fields = [("key", "storage.quota"), ("value", "1GiB"), ("back", "/admin/storage")];
    check(&browser.submit("/admin/storage", "/admin/settings", &fields).await, StatusCode::OK, &["value=\"1GiB\""]);
    check(
        &browser.get("/admin/community").await,
        StatusCode::OK,
        &["roofs", INVITE, "The invite is a secret", "restart"],
    );
    let log = browser.get("/admin/logs").await;
    check(&log, StatusCode::OK, &["started node=roof", "the disk is nearly full"]);
    let warnings = browser.get("/admin/logs?level=warn").await;
    assert!(!warnings.text().contains("started node=roof") && warnings.text().contains("nearly full"));
    let older = browser.get("/admin/logs?before=1").await;
    assert!(older.text().contains("started node=roof") && !older.text().contains("nearly full"));
    check(&browser.get("/admin/logs?level=x&before=y").await, StatusCode::OK, &["started"]);
}

#[tokio::test]
async fn the_pages_speak_the_language_of_the_browser() {
    let browser = Browser::entered().await;
    for (language, text) in [("es", "Claves de emisión"), ("fr", "Clés de diffusion"), ("pt", "Chaves de transmissão")]
    {
        let page = browser.get(&format!("/admin/keys?lang={language}")).await;
        check(&page, StatusCode::OK, &[text, &format!("lang=\"{language}\"")]);
    }
}

#[tokio::test]
async fn the_pages_of_everybody_lead_the_owner_to_what_only_the_owner_does() {
    let browser = Browser::entered().await;
    browser.node.listings.lock().unwrap().push(own(1, "Hall", BroadcastState::Live));
    browser.node.posts.lock().unwrap().push(post(7, "spam", Some(broadcast_id(1).0)));
    let watch = format!("/watch/{}", broadcast_id(1).slug());
    let manage = format!("/admin/broadcasts/{}", broadcast_id(1).slug());
    let hide = format!("/admin/hidden/{}?back=", BroadcastId(MessageKey([7; 32])).slug());
    check(&browser.get(&watch).await, StatusCode::OK, &[&manage, &hide, "href=\"/admin\""]);
    let visitor = crate::get(&browser.node, &watch).await;
    check(&visitor, StatusCode::OK, &["spam"]);
    assert!(!visitor.text().contains(&manage) && !visitor.text().contains(&hide));
}
