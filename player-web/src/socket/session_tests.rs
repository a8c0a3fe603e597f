use super::*;
use proptest::prelude::*;
use stream_model::MessageKey;

fn broadcast(number: u8) -> BroadcastId {
    BroadcastId(MessageKey([number; 32]))
}

fn key(number: u8) -> MessageKey {
    MessageKey([number; 32])
}

fn text(text: &str) -> Utf8Bytes {
    text.to_owned().into()
}

fn subscribe(number: u8) -> String {
    format!(r#"{{"type":"subscribe","broadcast":"{}"}}"#, broadcast(number).slug())
}

fn drain(session: &mut Session, now: Instant) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output(now)).take(100).collect()
}

fn texts<const N: usize>(texts: [&str; N]) -> [Output; N] {
    texts.map(|one| Output::Text(text(one)))
}

fn greeted(now: Instant) -> Session {
    let mut session = Session::new(now);
    session.handle_directory(text("directory"));
    let greeting = drain(&mut session, now);
    assert_eq!(greeting[0], Output::Hello);
    assert_eq!(greeting[1..], texts(["directory"]));
    session
}

#[test]
fn only_what_is_subscribed_to_is_sent() {
    let now = Instant::now();
    let mut session = greeted(now);
    session.handle_playlist(&broadcast(1), text("1"));
    session.handle_statistics(&broadcast(1), text("one viewer"));
    assert_eq!(drain(&mut session, now), []);
    session.handle_text(&subscribe(1), now);
    session.handle_text(&subscribe(3), now);
    session.handle_statistics(&broadcast(1), text("two viewers"));
    session.handle_playlist(&broadcast(1), text("2"));
    session.handle_playlist(&broadcast(2), text("9"));
    session.handle_playlist(&broadcast(3), text("4"));
    assert_eq!(drain(&mut session, now), texts(["2", "4", "two viewers"]));
    session.handle_text(&subscribe(1).replace("subscribe", "unsubscribe"), now);
    session.handle_playlist(&broadcast(1), text("3"));
    session.handle_playlist(&broadcast(3), text("5"));
    assert_eq!(drain(&mut session, now), texts(["5"]));
}

#[test]
fn a_slow_client_gets_the_newest_change_and_what_it_lost_is_counted() {
    let now = Instant::now();
    let mut session = greeted(now);
    session.handle_text(&subscribe(1), now);
    for sequence in 0..100 {
        session.handle_playlist(&broadcast(1), text(&sequence.to_string()));
        session.handle_statistics(&broadcast(1), text(&format!("{sequence} viewers")));
    }
    assert_eq!(drain(&mut session, now), texts(["99", "99 viewers"]));
    assert_eq!(session.take_superseded(), 198);
    assert_eq!(session.take_superseded(), 0);
}

#[test]
fn of_the_directory_and_the_node_the_newest_copy_is_owed_and_the_directory_comes_first() {
    let now = Instant::now();
    let mut session = Session::new(now);
    session.handle_node(text("node"));
    session.handle_directory(text(""));
    assert_eq!(drain(&mut session, now), [Output::Hello], "nothing is known yet");
    session.handle_directory(text("directory"));
    assert_eq!(drain(&mut session, now), texts(["directory", "node"]));
    session.handle_directory(text("a"));
    session.handle_directory(text("b"));
    session.handle_node(text("c"));
    session.handle_node(text("d"));
    assert_eq!(drain(&mut session, now), texts(["b", "d"]));
    assert_eq!(session.take_superseded(), 2);
}

#[test]
fn whether_a_broadcast_is_played_is_what_was_said_last() {
    let now = Instant::now();
    let mut session = greeted(now);
    let says = |session: &mut Session, playing: &str| {
        let message = subscribe(1).replace('}', &format!(r#","playing":{playing}}}"#));
        session.handle_text(&message, now);
        session.subscriptions().collect::<Vec<_>>()
    };
    session.handle_text(&subscribe(1), now);
    assert_eq!(session.subscriptions().collect::<Vec<_>>(), [(broadcast(1), None)]);
    assert_eq!(says(&mut session, "true"), [(broadcast(1), Some(true))]);
    session.handle_text(&subscribe(1), now);
    assert_eq!(says(&mut session, "null"), [(broadcast(1), Some(true))], "nothing new");
    assert_eq!(says(&mut session, "false"), [(broadcast(1), Some(false))]);
    assert_eq!(drain(&mut session, now), []);
}

#[test]
fn a_client_that_answers_stays_and_one_that_is_silent_is_sent_away() {
    let start = Instant::now();
    let mut session = greeted(start);
    let mut now = start;
    for _ in 0..10 {
        now = session.next_timeout();
        assert_eq!(drain(&mut session, now), [Output::Ping]);
        session.handle_sign_of_life(now);
    }
    assert_eq!(session.poll_output(now + SILENCE_LIMIT), Some(Output::Close(CloseReason::Silent)));
}

#[test]
fn nonsense_is_answered_and_too_much_of_it_ends_the_conversation() {
    let now = Instant::now();
    let mut session = greeted(now);
    for text in ["", "{}", "[", r#"{"type":"subscribe","broadcast":"x"}"#, r#"{"type":"dance"}"#] {
        session.handle_text(text, now);
        assert!(matches!(drain(&mut session, now)[..], [Output::Error(_)]), "{text}");
    }
    for _ in 0..MAX_MESSAGES {
        session.handle_text("{}", now);
    }
    assert_eq!(session.poll_output(now), Some(Output::Close(CloseReason::Misbehaved)));
}

#[test]
fn comments_go_to_who_subscribed_and_posts_to_who_follows_the_timeline() {
    let now = Instant::now();
    let mut session = greeted(now);
    session.handle_post(None, key(1), text("1"));
    session.handle_post(Some(&broadcast(7)), key(2), text("2"));
    session.handle_missed();
    assert_eq!(drain(&mut session, now), []);
    session.handle_text(&subscribe(7), now);
    session.handle_post(None, key(3), text("3"));
    session.handle_post(Some(&broadcast(7)), key(4), text("4"));
    session.handle_post(Some(&broadcast(8)), key(5), text("5"));
    assert_eq!(drain(&mut session, now), texts(["4"]));
    session.handle_text(r#"{"type":"timeline"}"#, now);
    session.handle_post(None, key(6), text("6"));
    session.handle_lost(3);
    let owed = drain(&mut session, now);
    assert_eq!((&owed[0], &owed[1..]), (&Output::Missed, &texts(["6"])[..]));
    assert_eq!(session.take_superseded(), 3);
}

#[test]
fn to_a_slow_client_the_newest_posts_are_owed_and_it_is_told_of_the_others() {
    let now = Instant::now();
    let mut session = greeted(now);
    session.handle_text(r#"{"type":"timeline"}"#, now);
    for number in 0..100 {
        session.handle_post(None, key(number), text(&number.to_string()));
    }
    let owed = drain(&mut session, now);
    assert_eq!((owed.len(), &owed[0]), (MAX_PENDING_POSTS + 1, &Output::Missed));
    assert_eq!([&owed[1], &owed[MAX_PENDING_POSTS]], texts(["84", "99"]).each_ref());
    assert_eq!(session.take_superseded(), 84);
}

#[test]
fn what_is_hidden_is_told_to_whom_it_may_be_shown_and_is_not_sent_any_more() {
    let now = Instant::now();
    let mut session = greeted(now);
    session.handle_hidden(key(1), text("hidden 1"));
    assert_eq!(drain(&mut session, now), [], "it shows no posts");
    session.handle_text(&subscribe(7), now);
    session.handle_post(Some(&broadcast(7)), key(2), text("2"));
    session.handle_post(Some(&broadcast(7)), key(3), text("3"));
    session.handle_hidden(key(2), text("hidden 2"));
    assert_eq!(drain(&mut session, now), texts(["hidden 2", "3"]));
    for _ in 0..=MAX_PENDING_HIDDEN {
        session.handle_hidden(key(4), text("hidden 4"));
    }
    let owed = drain(&mut session, now);
    assert_eq!(
        (&owed[..1], &owed[1..]),
        (&texts(["hidden 4"])[..], &[Output::Missed][..]),
        "the rest is to be loaded again"
    );
}

#[test]
fn subscriptions_are_bounded() {
    let now = Instant::now();
    let mut session = greeted(now);
    for number in 0..MAX_SUBSCRIPTIONS {
        session.handle_text(&subscribe(u8::try_from(number).unwrap()), now);
    }
    assert_eq!(drain(&mut session, now), []);
    session.handle_text(&subscribe(200), now);
    assert!(matches!(drain(&mut session, now)[..], [Output::Error(_)]));
    session.handle_text(&subscribe(0), now);
    assert_eq!(drain(&mut session, now), [], "subscribing again is not another");
    assert_eq!(session.subscriptions().count(), MAX_SUBSCRIPTIONS);
}

proptest! {
    #[test]
    fn whatever_a_client_sends_little_is_owed(texts in prop::collection::vec(".{0,80}", 0..60)) {
        let now = Instant::now();
        let mut session = greeted(now);
        for text in &texts {
            session.handle_text(text, now);
        }
        let owed = session.poll_output(now);
        prop_assert!(matches!(owed, None | Some(Output::Error(_) | Output::Close(CloseReason::Misbehaved))));
    }
}
