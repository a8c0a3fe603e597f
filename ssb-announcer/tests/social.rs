//! The timeline over a real store: posts, comments, names and votes of this node and of others, what JavaScript says
//! of the messages that this node writes, and what a real JavaScript peer writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "net/js_peer.rs"]
#[allow(dead_code, reason = "shared with the tests of the network")]
mod js_peer;
#[path = "net/node.rs"]
#[allow(dead_code, reason = "shared with the tests of the network")]
mod node;
mod ssb_validate;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use ssb_announcer::announcement::{Announcer, BroadcastDirectory};
use ssb_announcer::feed::{FeedStore, OwnAppend, RecoverReason};
use ssb_announcer::graph::{ContactIndex, Contacts};
use ssb_announcer::identity::Identity;
use ssb_announcer::social::{SocialIndex, SocialTimeline, WebAddresses};
use stream_model::{
    AnnouncementLog as _, BlobId, BlobStore as _, BroadcastId, BroadcastStart, FeedSequence, FollowGraph as _,
    MessageKey, NewPost, PageRequest, PeerBook as _, Post, PostTarget, Relation, Timeline as _, TimelineChange,
    TimelineError, TimelinePage, Tracks, Vote, WallTime,
};

use crate::js_peer::JavaScriptPeer;
use crate::node::{Node, PATIENCE};
use crate::ssb_validate::{judged_by_javascript, packages};

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn store() -> FeedStore {
    FeedStore::in_memory(identity(1).id(), vec![Arc::new(SocialIndex)]).unwrap()
}

fn timeline(store: &FeedStore) -> Arc<SocialTimeline> {
    SocialTimeline::open(identity(1), store.clone())
}

/// Appends as whoever it is.
async fn append(store: &FeedStore, author: &Identity, content: Value) -> MessageKey {
    let append = OwnAppend { identity: author.clone(), content_json: content.to_string(), names: None };
    store.append_own(vec![append]).await.unwrap()[0].key
}

fn page(limit: usize) -> PageRequest {
    PageRequest { before: None, limit }
}

fn texts(page: &TimelinePage) -> Vec<&str> {
    page.posts.iter().map(|post| post.text.as_str()).collect()
}

fn about(target: PostTarget, text: &str) -> NewPost {
    NewPost { text: text.to_owned(), about: target }
}

fn broadcast_start(title: &str) -> BroadcastStart {
    BroadcastStart {
        title: title.to_owned(),
        description: "Main *hall*".to_owned(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime::now(),
        schedule: None,
        rendition: None,
    }
}

async fn start_broadcast(store: &FeedStore, author: &Identity, title: &str, pages: Option<&str>) -> BroadcastId {
    let directory = BroadcastDirectory::open(store.clone(), author.id()).unwrap();
    let announcer = Announcer::new(author.clone(), store.clone(), directory);
    if let Some(url) = pages.map(str::to_owned) {
        announcer.post_starts(Some(WebAddresses::new(move || vec![url.clone()])));
    }
    announcer.start(broadcast_start(title)).await.unwrap()
}

#[tokio::test]
async fn posts_come_newest_first_in_the_order_of_arrival_whatever_time_they_claim() {
    let (store, ann) = (store(), identity(2));
    let timeline = timeline(&store);
    for number in 0..7 {
        append(&store, &ann, json!({ "type": "post", "text": format!("post {number}") })).await;
        append(&store, &ann, json!({ "type": "contact", "contact": identity(3).id(), "following": true })).await;
    }
    let first = timeline.newest(page(3)).await.unwrap();
    assert_eq!(texts(&first), ["post 6", "post 5", "post 4"]);
    // What arrives meanwhile does not move what comes on the next page.
    append(&store, &ann, json!({ "type": "post", "text": "new" })).await;
    let second = timeline.newest(PageRequest { before: first.next, limit: 3 }).await.unwrap();
    assert_eq!(texts(&second), ["post 3", "post 2", "post 1"]);
    let last = timeline.newest(PageRequest { before: second.next, limit: 3 }).await.unwrap();
    assert_eq!((texts(&last), last.next), (vec!["post 0"], None));
    assert!(first.posts.iter().all(|post| post.written_at <= WallTime::now()));
    let all = timeline.newest(page(usize::MAX)).await.unwrap();
    assert_eq!((all.posts.len(), all.next), (8, None));
}

#[tokio::test]
async fn a_thread_has_its_replies_and_the_timeline_only_its_beginning() {
    let (store, ann) = (store(), identity(2));
    let timeline = timeline(&store);
    let root = append(&store, &ann, json!({ "type": "post", "text": "root", "channel": "#mesh" })).await;
    let answer = timeline.post(about(PostTarget::Post(root), "first")).await.unwrap();
    assert_eq!((answer.root, &answer.branches[..]), (Some(root), &[root][..]));
    append(&store, &ann, json!({ "type": "post", "text": "second", "root": root, "branch": [answer.key, root] })).await;
    let third = timeline.post(about(PostTarget::Post(answer.key), "third")).await.unwrap();
    assert_eq!((third.root, &third.branches[..]), (Some(root), &[answer.key][..]));
    let fourth = timeline.post(about(PostTarget::Post(root), "fourth")).await.unwrap();
    assert_eq!(fourth.branches, [third.key], "an answer to the thread continues it at its end");

    assert_eq!(texts(&timeline.replies(root, page(9)).await.unwrap()), ["fourth", "third", "second", "first"]);
    let newest = timeline.newest(page(9)).await.unwrap();
    assert_eq!(texts(&newest), ["root"]);
    assert_eq!((newest.posts[0].replies, newest.posts[0].channel.as_deref()), (4, Some("mesh")));
    assert_eq!(timeline.find(answer.key).await.unwrap().unwrap().author.feed, identity(1).id());
    let ann_wrote = timeline.written_by(ann.id(), page(1)).await.unwrap();
    assert_eq!(texts(&ann_wrote), ["second"]);
    let before = timeline.written_by(ann.id(), PageRequest { before: ann_wrote.next, limit: 1 }).await.unwrap();
    assert_eq!((texts(&before), before.next), (vec!["root"], None));
}

#[tokio::test]
async fn answers_to_a_broadcast_and_to_the_post_of_its_start_are_its_comments() {
    let (store, ann, bob) = (store(), identity(2), identity(3));
    let timeline = timeline(&store);
    let broadcast = start_broadcast(&store, &ann, "Open *stage*", Some("http://[fc00::1]:8080")).await;
    let start = timeline.newest(page(9)).await.unwrap().posts.remove(0);
    assert_eq!(start.broadcast, Some(broadcast));
    assert!(start.text.contains(&format!("<http://[fc00::1]:8080/watch/{}>", broadcast.slug())), "{}", start.text);
    assert_eq!(start.mentions, [broadcast.to_string()]);

    // Somebody else's post about it begins a thread of its own.
    let other = json!({ "type": "post", "text": "watch this", "broadcast": broadcast });
    let other = append(&store, &bob, other).await;
    append(&store, &bob, json!({ "type": "post", "text": "not here", "root": other })).await;
    append(&store, &bob, json!({ "type": "post", "text": "to the start", "root": start.key })).await;
    append(&store, &bob, json!({ "type": "post", "text": "to the broadcast", "root": broadcast })).await;
    let own = timeline.post(about(PostTarget::Broadcast(broadcast), "ours")).await.unwrap();
    assert_eq!((own.root, own.broadcast), (Some(start.key), Some(broadcast)), "other programs show it below the post");

    let comments = timeline.comments(broadcast, page(9)).await.unwrap();
    assert_eq!(texts(&comments), ["ours", "to the broadcast", "to the start"]);
    assert!(comments.posts.iter().all(|post| post.broadcast == Some(broadcast)));
    let two = timeline.comments(broadcast, page(2)).await.unwrap();
    let rest = timeline.comments(broadcast, PageRequest { before: two.next, limit: 2 }).await.unwrap();
    assert_eq!((texts(&two), texts(&rest)), (vec!["ours", "to the broadcast"], vec!["to the start"]));
    assert_eq!(timeline.find(start.key).await.unwrap().unwrap().replies, 3);
    assert_eq!(timeline.find(other).await.unwrap().unwrap().broadcast, None);
}

#[tokio::test]
async fn without_a_post_of_its_start_comments_answer_the_broadcast_itself() {
    let store = store();
    let timeline = timeline(&store);
    let broadcast = start_broadcast(&store, &identity(2), "Quiet", None).await;
    assert_eq!(timeline.newest(page(9)).await.unwrap().posts, []);
    let own = timeline.post(about(PostTarget::Broadcast(broadcast), "first")).await.unwrap();
    assert_eq!((own.root, &own.branches[..]), (Some(broadcast.0), &[broadcast.0][..]));
    let unknown = BroadcastId(MessageKey([9; 32]));
    let error = timeline.post(about(PostTarget::Broadcast(unknown), "x")).await.unwrap_err();
    assert!(matches!(error, TimelineError::UnknownBroadcast(id) if id == unknown));
}

#[tokio::test]
async fn a_start_is_told_in_a_post_or_not_as_its_node_says_at_the_time() {
    let (store, ann) = (store(), identity(2));
    let (timeline, directory) = (timeline(&store), BroadcastDirectory::open(store.clone(), ann.id()).unwrap());
    let announcer = Announcer::new(ann, store, directory);
    for (title, pages) in [("one", Some("http://a")), ("two", None), ("three", Some("http://b"))] {
        announcer.post_starts(pages.map(|url| WebAddresses::new(move || vec![url.to_owned()])));
        announcer.start(broadcast_start(title)).await.unwrap();
    }
    let newest = timeline.newest(page(9)).await.unwrap();
    let told = texts(&newest);
    assert!(told[0].contains("three") && told[0].contains("http://b/watch"), "{told:?}");
    assert!(told[1].contains("one") && told[1].contains("http://a/watch"), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn only_what_a_feed_says_of_itself_is_its_name() {
    let (store, ann, bob) = (store(), identity(2), identity(3));
    let timeline = timeline(&store);
    let said = |name: &str| json!({ "type": "about", "about": ann.id(), "name": name });
    append(&store, &bob, said("Mallory")).await;
    append(&store, &ann, json!({ "type": "post", "text": "hello" })).await;
    let author = || async { timeline.newest(page(1)).await.unwrap().posts.remove(0).author };
    assert_eq!(author().await.name, None);
    append(&store, &ann, said("Ann")).await;
    append(&store, &ann, json!({ "type": "about", "about": ann.id(), "description": "Town hall" })).await;
    append(&store, &bob, said("Mallory")).await;
    assert_eq!(author().await.name.as_deref(), Some("Ann"));
    let profile = timeline.profile(ann.id()).await.unwrap().unwrap();
    assert_eq!((profile.author.name.as_deref(), profile.description.as_deref()), (Some("Ann"), Some("Town hall")));
    assert_eq!(timeline.profile(bob.id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_node_says_its_name_and_picture_once_and_again_what_has_changed() {
    let store = store();
    let timeline = timeline(&store);
    let own = identity(1).id();
    let (one, other, of_another_program) = (BlobId([1; 32]), BlobId([2; 32]), BlobId([3; 32]));
    for (name, image, messages, shown) in [
        ("Town hall", None, 1, None),
        ("Town hall", None, 1, None),
        ("Library", Some(one), 2, Some(one)),
        ("Library", Some(one), 2, Some(one)),
        ("Library", None, 3, None),
        ("Library", None, 3, None),
        ("Library", Some(other), 4, Some(other)),
        ("Town hall", Some(other), 5, Some(other)),
        ("Town hall", Some(of_another_program), 6, Some(of_another_program)),
        ("Town hall", None, 6, Some(of_another_program)),
        ("Library", None, 7, Some(of_another_program)),
    ] {
        timeline.introduce(name, image, |image| *image != of_another_program).await.unwrap();
        assert_eq!(store.clock(&own), FeedSequence(messages), "{name} {image:?}");
        let author = timeline.profile(own).await.unwrap().unwrap().author;
        assert_eq!((author.name.as_deref(), author.image), (Some(name), shown));
    }
    let fifth = store.get(own, FeedSequence(5), 1).await.unwrap().remove(0);
    let value: Value = serde_json::from_str(&fifth.value_json).unwrap();
    assert_eq!(value["content"], json!({ "type": "about", "about": own, "name": "Town hall" }), "only what changed");
}

/// The picture of a feed after each of these contents, by npm `ssb-about-self`.
fn pictures_shown_by_javascript(contents: &[Value]) -> Vec<Value> {
    let script = "const AboutSelf = require('ssb-db2/indexes/about-self')
        const index = { profiles: new Map() }
        for (const content of JSON.parse(process.argv[1]))
          console.log(JSON.stringify(AboutSelf.prototype.updateProfileData.call(index, '@ann', content).image))";
    let contents = json!(contents).to_string();
    let output = Command::new("node").args(["-e", script, &contents]).current_dir(packages()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn javascript_shows_no_picture_that_was_taken_back() {
    let store = store();
    let timeline = timeline(&store);
    let picture = BlobId([1; 32]);
    timeline.introduce("Town hall", Some(picture), |_| true).await.unwrap();
    timeline.introduce("Town hall", None, |_| true).await.unwrap();
    let messages = store.get(identity(1).id(), FeedSequence(1), 9).await.unwrap();
    let content = |value: &str| serde_json::from_str::<Value>(value).unwrap()["content"].take();
    let contents: Vec<Value> = messages.iter().map(|message| content(&message.value_json)).collect();
    assert_eq!(pictures_shown_by_javascript(&contents), [json!(picture), json!("")]);
    // By this, npm `ssb-social-index` takes it from what it shows.
    assert_eq!(contents[1]["image"]["remove"], json!(true));
    assert_eq!(judged_by_javascript(&messages), [None, None]);
}

#[tokio::test]
async fn of_each_voter_the_last_vote_counts() {
    let (store, ann, bob) = (store(), identity(2), identity(3));
    let timeline = timeline(&store);
    let post = append(&store, &ann, json!({ "type": "post", "text": "hello" })).await;
    let vote = |value: i32| json!({ "type": "vote", "vote": { "link": post, "value": value, "expression": "👍" } });
    let votes = || async { timeline.find(post).await.unwrap().unwrap().votes };
    append(&store, &bob, vote(1)).await;
    append(&store, &bob, vote(1)).await;
    append(&store, &ann, vote(1)).await;
    timeline.vote(post, Vote::For).await.unwrap();
    assert_eq!(votes().await, 3);
    append(&store, &bob, vote(0)).await;
    timeline.vote(post, Vote::Withdrawn).await.unwrap();
    assert_eq!(votes().await, 1);
    let unknown = timeline.vote(MessageKey([5; 32]), Vote::For).await;
    assert!(matches!(unknown, Err(TimelineError::UnknownPost(_))));
}

#[tokio::test]
async fn what_cannot_be_posted_is_refused_with_the_reason() {
    let store = store();
    let timeline = timeline(&store);
    let refused = |target, text: &str| {
        let (timeline, post) = (timeline.clone(), about(target, text));
        async move { timeline.post(post).await.unwrap_err() }
    };
    assert!(matches!(refused(PostTarget::Nothing, " \n").await, TimelineError::Empty));
    assert!(matches!(refused(PostTarget::Nothing, &"x".repeat(9_000)).await, TimelineError::TooLong));
    let unknown = PostTarget::Post(MessageKey([5; 32]));
    assert!(matches!(refused(unknown, "x").await, TimelineError::UnknownPost(_)));
    store.own_gate().require_recovery(RecoverReason::Imported);
    match refused(PostTarget::Nothing, "x").await {
        TimelineError::Refused(why) => assert!(why.contains("meshstream ssb recover"), "{why}"),
        other => panic!("{other}"),
    }
    assert_eq!(store.clock(&identity(1).id()), FeedSequence(0), "nothing was written");
}

#[tokio::test]
async fn of_a_dropped_feed_nothing_is_left_in_the_timeline() {
    let (store, ann) = (store(), identity(2));
    let timeline = timeline(&store);
    let kept = append(&store, &identity(1), json!({ "type": "post", "text": "kept" })).await;
    append(&store, &ann, json!({ "type": "about", "about": ann.id(), "name": "Ann" })).await;
    append(&store, &ann, json!({ "type": "post", "text": "gone" })).await;
    append(&store, &ann, json!({ "type": "post", "text": "gone too", "root": kept })).await;
    append(&store, &ann, json!({ "type": "vote", "vote": { "link": kept, "value": 1 } })).await;
    store.drop_feeds(vec![ann.id()]).await.unwrap();
    let left = timeline.newest(page(9)).await.unwrap();
    assert_eq!((texts(&left), left.posts[0].replies, left.posts[0].votes), (vec!["kept"], 0, 0));
    assert_eq!(timeline.profile(ann.id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_blob_is_named_by_pictures_and_posts_until_all_who_name_it_are_dropped() {
    let (store, ann, bob) = (store(), identity(2), identity(3));
    let timeline = timeline(&store);
    let (face, before, photo, rumour) = (BlobId([1; 32]), BlobId([2; 32]), BlobId([3; 32]), BlobId([4; 32]));
    for image in [before, face] {
        append(&store, &ann, json!({ "type": "about", "about": ann.id(), "image": { "link": image, "size": 9 } }))
            .await;
    }
    append(&store, &bob, json!({ "type": "about", "about": ann.id(), "image": rumour })).await;
    let mentions =
        json!([{ "link": photo, "name": "photo.jpg", "type": "image/jpeg", "size": 9 }, { "link": ann.id() }]);
    let text = format!("![photo.jpg]({photo})");
    append(&store, &ann, json!({ "type": "post", "text": text, "mentions": mentions })).await;
    let nice = append(&store, &bob, json!({ "type": "post", "text": "so nice", "mentions": [photo, photo] })).await;
    assert_eq!(timeline.naming(photo, 9).await.unwrap().len(), 2, "once for each post");
    assert!(timeline.naming(photo, 9).await.unwrap().contains(&nice));
    assert_eq!(timeline.naming(photo, 1).await.unwrap().len(), 1);
    let named = async |blob| !timeline.naming(blob, 9).await.unwrap().is_empty();
    assert!(named(face).await && named(before).await && named(photo).await);
    assert!(!named(rumour).await, "what others say of a feed is not shown");
    assert_eq!(timeline.profile(ann.id()).await.unwrap().unwrap().author.image, Some(face));

    store.drop_feeds(vec![ann.id()]).await.unwrap();
    assert!(!named(face).await && !named(before).await);
    assert!(named(photo).await, "by somebody else too");
}

#[tokio::test]
async fn what_a_blocked_feed_says_is_shown_nowhere() {
    let (me, ann, bob) = (identity(1), identity(2), identity(3));
    let store = FeedStore::in_memory(me.id(), vec![Arc::new(ContactIndex), Arc::new(SocialIndex)]).unwrap();
    let directory = BroadcastDirectory::open(store.clone(), me.id()).unwrap();
    let contacts = Contacts::open(me.clone(), store.clone(), directory, 3).unwrap();
    let timeline = timeline(&store);
    let broadcast = start_broadcast(&store, &me, "Open stage", None).await;
    let face = BlobId([1; 32]);
    append(&store, &ann, json!({ "type": "about", "about": ann.id(), "name": "Ann", "image": face })).await;
    let post = append(&store, &ann, json!({ "type": "post", "text": "buy this" })).await;
    append(&store, &bob, json!({ "type": "post", "text": "no", "root": post, "branch": post })).await;
    let kept = append(&store, &bob, json!({ "type": "post", "text": "hello" })).await;
    append(&store, &ann, json!({ "type": "post", "text": "and this", "root": broadcast })).await;
    append(&store, &ann, json!({ "type": "vote", "vote": { "link": kept, "value": 1 } })).await;
    assert_eq!(texts(&timeline.newest(page(9)).await.unwrap()), ["hello", "buy this"]);

    contacts.relate(ann.id(), Relation::Blocking).await.unwrap();
    let newest = timeline.newest(page(9)).await.unwrap();
    assert_eq!((texts(&newest), newest.posts[0].votes), (vec!["hello"], 0));
    assert_eq!(texts(&timeline.comments(broadcast, page(9)).await.unwrap()), [""; 0]);
    assert_eq!(timeline.find(post).await.unwrap(), None);
    assert_eq!(texts(&timeline.replies(post, page(9)).await.unwrap()), ["no"], "what others answered is theirs");
    assert_eq!(timeline.profile(ann.id()).await.unwrap(), None);
    assert_eq!(timeline.naming(face, 9).await.unwrap(), []);
    assert!(matches!(timeline.vote(post, Vote::For).await, Err(TimelineError::UnknownPost(_))));
    // Whatever was stored before the block took hold is hidden too.
    append(&store, &ann, json!({ "type": "post", "text": "once more", "mentions": [face] })).await;
    assert_eq!(texts(&timeline.newest(page(9)).await.unwrap()), ["hello"]);
    assert_eq!(timeline.naming(face, 9).await.unwrap(), []);
}

#[tokio::test]
async fn the_timeline_is_the_same_after_it_was_built_anew_from_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (path, own) = (dir.path().join("ssb.sqlite3"), identity(1).id());
    let plain = FeedStore::open(&path, own, vec![]).unwrap();
    let broadcast = start_broadcast(&plain, &identity(2), "Before", Some("http://a")).await;
    append(&plain, &identity(3), json!({ "type": "post", "text": "early", "root": broadcast })).await;
    append(&plain, &identity(3), json!({ "type": "about", "about": identity(3).id(), "name": "Bob" })).await;
    drop(plain);
    let store = FeedStore::open(&path, own, vec![Arc::new(SocialIndex)]).unwrap();
    let comments = timeline(&store).comments(broadcast, page(9)).await.unwrap();
    assert_eq!(texts(&comments), ["early"]);
    assert_eq!(comments.posts[0].author.name.as_deref(), Some("Bob"));
    assert_eq!(timeline(&store).newest(page(9)).await.unwrap().posts[0].broadcast, Some(broadcast));
}

#[tokio::test]
async fn subscribers_learn_of_posts_and_comments_until_the_timeline_closes() {
    let (store, ann) = (store(), identity(2));
    let timeline = timeline(&store);
    let mut changes = timeline.subscribe();
    let running = tokio::spawn({
        let timeline = timeline.clone();
        async move { timeline.run().await }
    });
    let broadcast = start_broadcast(&store, &ann, "Live", None).await;
    append(&store, &ann, json!({ "type": "post", "text": "hello" })).await;
    append(&store, &ann, json!({ "type": "post", "text": "nice", "root": broadcast })).await;
    let mut next = async || match tokio::time::timeout(PATIENCE, changes.next()).await.unwrap() {
        Some(TimelineChange::Post(post)) => *post,
        other => panic!("{other:?}"),
    };
    let hello: Post = next().await;
    assert_eq!((hello.text.as_str(), hello.broadcast), ("hello", None));
    let comment: Post = next().await;
    assert_eq!((comment.text.as_str(), comment.broadcast), ("nice", Some(broadcast)));
    timeline.close();
    assert_eq!(tokio::time::timeout(PATIENCE, changes.next()).await.unwrap(), None);
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn more_posts_than_are_told_at_once_are_said_to_be_missed() {
    let (store, ann) = (store(), identity(2));
    let timeline = timeline(&store);
    let mut changes = timeline.subscribe();
    let append = |number| OwnAppend {
        identity: ann.clone(),
        content_json: json!({ "type": "post", "text": format!("{number}") }).to_string(),
        names: None,
    };
    store.append_own((0..600).map(append).collect()).await.unwrap();
    let running = tokio::spawn({
        let timeline = timeline.clone();
        async move { timeline.run().await }
    });
    assert_eq!(tokio::time::timeout(PATIENCE, changes.next()).await.unwrap(), Some(TimelineChange::Missed));
    timeline.close();
    running.await.unwrap();
}

#[tokio::test]
async fn javascript_accepts_whatever_this_node_says() {
    let store = store();
    let timeline = timeline(&store);
    timeline.introduce("Gemeinde 🎥 \"Süd\"", Some(BlobId([7; 32])), |_| true).await.unwrap();
    let broadcast = start_broadcast(&store, &identity(1), "Bühne \\ <b>", Some("http://10.0.0.5:8080")).await;
    let feed = identity(2).id();
    let text = format!("Grüße 日本 🎥 \u{2028} \"[Ann]({feed})\" \\ \t\n# Titel\n\n> {broadcast}");
    let post = timeline.post(about(PostTarget::Nothing, &text)).await.unwrap();
    timeline.post(about(PostTarget::Post(post.key), "answer")).await.unwrap();
    timeline.post(about(PostTarget::Broadcast(broadcast), "comment")).await.unwrap();
    timeline.post(about(PostTarget::Nothing, &"日".repeat(7_000))).await.unwrap();
    timeline.vote(post.key, Vote::For).await.unwrap();
    timeline.vote(post.key, Vote::Withdrawn).await.unwrap();
    let messages = store.get(identity(1).id(), FeedSequence(1), usize::MAX).await.unwrap();
    assert_eq!(messages.len(), 9);
    for (message, error) in messages.iter().zip(judged_by_javascript(&messages)) {
        assert_eq!(error, None, "{}", message.value_json);
    }
}

/// Both sides see what the other says: a post, an answer, a vote, a name, a comment on a broadcast.
#[tokio::test(flavor = "multi_thread")]
async fn people_on_a_javascript_peer_and_on_this_node_read_each_other() {
    let identity = identity(21);
    let store = FeedStore::in_memory(identity.id(), vec![Arc::new(SocialIndex)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (node, blobs) = Node::start_holding(identity.clone(), store.clone(), folder.path());
    let timeline = SocialTimeline::open(identity.clone(), store.clone());
    let (our_picture, their_picture) = (Bytes::from_static(b"\x89PNG\r\n\x1a\nours"), &b"\x89PNG\r\n\x1a\ntheirs"[..]);
    let our_image = blobs.add(our_picture.clone()).await.unwrap();
    timeline.introduce("Town hall", Some(our_image), |_| true).await.unwrap();
    let broadcast = start_broadcast(&store, &identity, "Open stage", Some("http://10.0.0.5:8080")).await;
    let start = timeline.newest(page(1)).await.unwrap().posts.remove(0);

    let mut js = JavaScriptPeer::start().await;
    js.follow(node.id()).await;
    node.gossip.offer(js.as_peer());
    let name = js.receives(node.id(), 1).await;
    assert_eq!((&name["content"]["name"], &name["content"]["about"]), (&json!("Town hall"), &json!(node.id())));
    assert_eq!(name["content"]["image"], json!(our_image));
    assert_eq!(js.ask("blobWant", json!({ "blob": our_image })).await, Ok(json!(true)));
    assert_eq!(js.ask("blobGet", json!({ "blob": our_image })).await, Ok(json!(STANDARD.encode(&our_picture))));
    let shown = js.receives(node.id(), 3).await;
    assert_eq!((&shown["content"]["type"], &shown["content"]["text"]), (&json!("post"), &json!(start.text)));

    let feed = js.feed;
    let image = js.ask("blobAdd", json!({ "base64": STANDARD.encode(their_picture) })).await.unwrap();
    js.publish(json!({ "type": "about", "about": feed, "name": "Ann", "image": { "link": image, "size": 14 } })).await;
    let mentions = json!([{ "link": node.id(), "name": "Town hall" }, { "link": "#stage" }, { "link": 7 }]);
    let content = json!({ "type": "post", "text": "# Hi", "mentions": mentions });
    let published = js.ask("publish", json!({ "content": content })).await;
    let post: MessageKey = published.unwrap()["key"].as_str().unwrap().parse().unwrap();
    js.publish(json!({ "type": "post", "text": "looks good", "root": start.key, "branch": [start.key] })).await;
    let vote = json!({ "type": "vote", "vote": { "link": start.key, "value": 1, "expression": "💜" } });
    let last = js.publish(vote).await;
    node.holds(feed, last).await;

    let newest: TimelinePage = timeline.newest(page(1)).await.unwrap();
    assert_eq!((texts(&newest), newest.posts[0].author.name.as_deref()), (vec!["# Hi"], Some("Ann")));
    assert_eq!(newest.posts[0].mentions, [node.id().to_string(), "#stage".to_owned()]);
    let image = newest.posts[0].author.image.unwrap();
    assert_eq!(timeline.naming(image, 9).await.unwrap().len(), 1);
    assert_eq!(blobs.fetch(&image, PATIENCE).await.unwrap(), their_picture);
    assert_eq!(texts(&timeline.comments(broadcast, page(9)).await.unwrap()), ["looks good"]);
    assert_eq!(timeline.find(start.key).await.unwrap().unwrap().votes, 1);

    timeline.post(about(PostTarget::Post(post), &format!("welcome, [Ann]({feed})"))).await.unwrap();
    let answer = js.receives(node.id(), 4).await;
    assert_eq!((&answer["content"]["root"], &answer["content"]["branch"]), (&json!(post), &json!(post)));
    assert_eq!(answer["content"]["mentions"], json!([{ "link": feed }]));
}
