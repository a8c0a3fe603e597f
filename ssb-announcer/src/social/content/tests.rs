use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(byte: u8) -> MessageKey {
    MessageKey([byte; 32])
}

fn parse(kind: &str, content: &Value) -> Option<Social> {
    Social::parse(kind, &json!({ "content": content }).to_string())
}

fn post(content: &Value) -> PostContent {
    match parse(POST, content) {
        Some(Social::Post(post)) => post,
        other => panic!("{other:?} from {content}"),
    }
}

fn about(content: &Value) -> Option<AboutContent> {
    match parse(ABOUT, content)? {
        Social::About(about) => Some(about),
        other => panic!("{other:?} from {content}"),
    }
}

fn vote(content: &Value) -> Option<VoteContent> {
    match parse(VOTE, content)? {
        Social::Vote(vote) => Some(vote),
        other => panic!("{other:?} from {content}"),
    }
}

#[test]
fn a_branch_is_read_as_a_text_and_as_a_list() {
    let one = post(&json!({ "type": "post", "text": "a", "root": key(1), "branch": key(2) }));
    assert_eq!((one.root, one.branches), (Some(key(1)), vec![key(2)]));
    let two = post(&json!({ "type": "post", "text": "a", "root": key(1), "branch": [key(2), 7, key(3), "x"] }));
    assert_eq!(two.branches, [key(2), key(3)]);
}

#[test]
fn odd_fields_of_a_post_count_as_missing() {
    for odd in [json!(null), json!(7), json!({}), json!("x"), json!([[]]), json!({ "link": {} })] {
        let content =
            json!({ "type": "post", "text": "hello", "root": odd, "branch": odd, "mentions": odd, "broadcast": odd });
        assert_eq!(post(&content), PostContent { text: "hello".into(), ..PostContent::default() }, "{odd}");
    }
    assert_eq!(post(&json!({ "text": "x", "channel": 3 })).channel, None);
    assert_eq!(post(&json!({ "text": "x", "channel": "##mesh\n" })).channel.as_deref(), Some("mesh"));
}

#[test]
fn a_post_without_text_is_none() {
    for content in [json!({}), json!({ "text": 5 }), json!(null), json!("encrypted.box"), json!([])] {
        assert_eq!(parse(POST, &content), None, "{content}");
    }
    assert_eq!(parse("contact", &json!({ "text": "x" })), None);
    assert_eq!(Social::parse(POST, "not json"), None);
}

#[test]
fn mentions_of_all_forms_are_read_and_bounded() {
    let feed = FeedId([4; 32]).to_string();
    let blob = key(5).to_string().replace('%', "&");
    let content = json!({ "text": "", "mentions": [
        { "link": feed, "name": "A\nnn" }, feed, { "link": blob, "size": 3 }, { "link": "#mesh" }, "javascript:alert(1)",
        { "link": "@x.ed25519" }, null, { "link": 4 },
    ] });
    let links: Vec<_> = post(&content).mentions.into_iter().map(|mention| (mention.link, mention.name)).collect();
    let expected = [(feed.clone(), Some("Ann")), (feed.clone(), None), (blob, None), ("#mesh".into(), None)];
    assert_eq!(links, expected.map(|(link, name)| (link, name.map(str::to_owned))));
    let many = json!({ "text": "", "mentions": vec![feed; 1000], "branch": vec![key(1); 1000] });
    assert_eq!((post(&many).mentions.len(), post(&many).branches.len()), (MAX_MENTIONS, MAX_BRANCHES));
}

#[test]
fn a_text_is_cut_and_loses_what_would_disturb_others() {
    assert_eq!(post(&json!({ "text": "a\u{202e}b\u{0}\nc" })).text, "ab\nc");
    assert_eq!(post(&json!({ "text": "日".repeat(20_000) })).text.chars().count(), MAX_TEXT_CHARS);
}

#[test]
fn what_a_text_names_is_found_in_it() {
    let (feed, message) = (FeedId([1; 32]).to_string(), key(2).to_string());
    let blob = key(3).to_string().replace('%', "&");
    let text = format!("@ü [Ann]({feed}), [that]({message})! {feed} ![pic]({blob}) 日%日 @{}", &feed[..30]);
    let links: Vec<_> = Mention::in_text(&text).into_iter().map(|mention| mention.link).collect();
    assert_eq!(links, [feed, message, blob]);
}

#[test]
fn an_about_may_say_as_much_as_it_likes() {
    let feed = FeedId([1; 32]);
    let blob = BlobId(key(3).0);
    let read =
        about(&json!({ "about": feed, "name": " A\u{202e}nn\n", "image": { "link": blob, "width": 3 } })).unwrap();
    assert_eq!(
        read,
        AboutContent { about: feed, name: Some("Ann".into()), description: None, image: Some(Portrait::Shown(blob)) }
    );
    assert_eq!(about(&json!({ "about": feed, "image": blob })).unwrap().image, Some(Portrait::Shown(blob)));
    let others = [
        json!("javascript:x"),
        json!(blob.slug()),
        json!(format!("{blob}?unbox=x")),
        json!({ "link": [] }),
        Value::Null,
    ];
    for image in others {
        assert_eq!(about(&json!({ "about": feed, "name": {}, "image": image })).unwrap().image, None);
    }
    for image in [json!(""), json!({ "link": "" }), json!({ "link": blob, "remove": true }), json!({ "remove": true })]
    {
        assert_eq!(about(&json!({ "about": feed, "image": image })).unwrap().image, Some(Portrait::Removed));
    }
    assert_eq!(about(&json!({ "about": key(1), "name": "a gathering" })), None);
    assert_eq!(about(&json!({ "name": "nobody" })), None);
    let long = about(&json!({ "about": feed, "name": "n".repeat(500), "description": "d".repeat(5_000) })).unwrap();
    assert_eq!(long.name.unwrap().len(), MAX_NAME_CHARS);
    assert_eq!(long.description.unwrap().len(), MAX_DESCRIPTION_CHARS);
}

#[test]
fn a_vote_counts_where_its_value_is_above_zero() {
    let read = |value: Value| vote(&json!({ "vote": { "link": key(1), "value": value, "expression": "⚡" } }));
    for (value, expected) in [
        (json!(1), Vote::For),
        (json!(0), Vote::Withdrawn),
        (json!(-1), Vote::Withdrawn),
        (json!("1"), Vote::Withdrawn),
    ] {
        assert_eq!(read(value), Some(VoteContent { link: key(1), vote: expected }));
    }
    assert_eq!(vote(&json!({ "vote": { "value": 1 } })), None);
    assert_eq!(vote(&json!({ "vote": 1 })), None);
}

fn keys() -> impl Strategy<Value = MessageKey> {
    any::<u8>().prop_map(key)
}

/// Texts that a reader leaves as they are.
fn plain() -> impl Strategy<Value = String> {
    "[a-zA-Zäß日🎥 ]{1,40}".prop_map(|text| format!("x{}x", text.trim()))
}

fn posts() -> impl Strategy<Value = PostContent> {
    let link = prop_oneof![
        any::<[u8; 32]>().prop_map(|bytes| FeedId(bytes).to_string()),
        keys().prop_map(|key| key.to_string()),
        keys().prop_map(|key| key.to_string().replace('%', "&")),
    ];
    let mention = (link, prop::option::of(plain())).prop_map(|(link, name)| Mention { link, name });
    (
        plain(),
        prop::option::of(keys()),
        prop::collection::vec(keys(), 0..MAX_BRANCHES),
        prop::option::of("[a-z]{1,20}"),
        prop::collection::vec(mention, 0..MAX_MENTIONS),
        prop::option::of(keys()),
    )
        .prop_map(|(text, root, branches, channel, mentions, broadcast)| PostContent {
            text,
            root,
            branches,
            channel,
            mentions,
            broadcast: broadcast.map(BroadcastId),
        })
}

proptest! {
    #[test]
    fn a_post_reads_back_what_it_writes(content in posts()) {
        let value = format!(r#"{{"content":{}}}"#, content.to_json());
        prop_assert_eq!(Social::parse(POST, &value), Some(Social::Post(content)));
    }

    #[test]
    fn an_about_and_a_vote_read_back_what_they_write(
        feed: [u8; 32], name in prop::option::of(plain()), description in prop::option::of(plain()), link in keys(), up: bool,
        image in prop::option::of(prop_oneof![keys().prop_map(|key| Portrait::Shown(BlobId(key.0))), Just(Portrait::Removed)]),
    ) {
        let content = AboutContent { about: FeedId(feed), name, description, image };
        let value = format!(r#"{{"content":{}}}"#, content.to_json());
        prop_assert_eq!(Social::parse(ABOUT, &value), Some(Social::About(content)));
        let content = VoteContent { link, vote: if up { Vote::For } else { Vote::Withdrawn } };
        let value = format!(r#"{{"content":{}}}"#, content.to_json());
        prop_assert_eq!(Social::parse(VOTE, &value), Some(Social::Vote(content)));
    }

    #[test]
    fn whatever_comes_what_is_read_is_bounded(text in "\\PC{0,400}", fields in "[\\[\\]{}:,\"a-z0-9@%&#]{0,80}") {
        let value = json!({ "content": { "text": text, "name": text, "about": fields, "root": fields, "mentions": [fields] } });
        for kind in [POST, ABOUT, VOTE] {
            let _any_answer_will_do = Social::parse(kind, &value.to_string());
            let _any_answer_will_do = Social::parse(kind, &fields);
        }
        let _any_answer_will_do = Mention::in_text(&text);
        prop_assert!(post(&value["content"]).text.chars().count() <= MAX_TEXT_CHARS);
    }
}
