//! What is planned and what broadcasts are called, on other nodes and across restarts.

use ssb_announcer::announcement::index::MAX_BROADCASTS;
use stream_model::{MAX_SCHEDULED_OF_ONE, MAX_TITLE_CHARS, ProgrammeError, ProgrammeLog as _, Schedule, ScheduleId};

use super::*;

#[tokio::test]
async fn what_one_feed_announces_displaces_nothing_of_others_at_a_start() {
    let (quiet, loud, viewer) = (Node::in_memory(1), Node::in_memory(2), Node::in_memory(3));
    let first = quiet.announcer.start(start()).await.unwrap();
    quiet.announcer.end(end(first, 0)).await.unwrap();
    let plan = quiet.announcer.schedule(plan("Gemeinderat")).await.unwrap();
    for publisher in [&quiet, &loud] {
        viewer.store.want_peer(publisher.identity.id());
    }
    viewer.replicate_from(&quiet).await;
    for _ in 0..=MAX_BROADCASTS {
        let id = loud.announcer.start(start()).await.unwrap();
        loud.announcer.end(end(id, 0)).await.unwrap();
    }
    viewer.replicate_from(&loud).await;
    assert_eq!(viewer.state(&first), BroadcastState::Ended);

    let again = Node::with_store(viewer.identity, viewer.store);
    assert_eq!(again.state(&first), BroadcastState::Ended);
    assert_eq!(again.directory.upcoming()[0].id, plan);
    assert_eq!(again.directory.listings().len(), MAX_BROADCASTS);
}

fn plan(title: &str) -> Schedule {
    plan_in(title, 1)
}

fn plan_in(title: &str, hours: u64) -> Schedule {
    let starts_at = WallTime::now().after(Duration::from_secs(hours * 3_600));
    Schedule { title: title.into(), description: "öffentlich".into(), starts_at }
}

fn titles(node: &Node) -> Vec<String> {
    node.directory.upcoming().into_iter().map(|planned| planned.title).collect()
}

#[tokio::test]
async fn what_is_planned_is_seen_on_another_node_until_it_begins_or_is_called_off_and_so_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssb.sqlite3");
    let (publisher, viewer) = (Node::in_memory(1), Node::open(2, &path));
    viewer.store.want_peer(publisher.identity.id());
    let begun = publisher.announcer.schedule(plan_in(" Opening\u{0} ", 1)).await.unwrap();
    let off = publisher.announcer.schedule(plan_in("Break", 2)).await.unwrap();
    let stays = publisher.announcer.schedule(plan_in("Keynote", 3)).await.unwrap();
    viewer.replicate_from(&publisher).await;
    assert_eq!(titles(&viewer), ["Opening", "Break", "Keynote"]);
    assert!(!viewer.directory.upcoming()[0].own && publisher.directory.upcoming()[0].own);

    let keynote = Schedule { title: "Closing".into(), ..plan("") };
    publisher.announcer.reschedule(stays, keynote.clone()).await.unwrap();
    publisher.announcer.reschedule(stays, keynote).await.unwrap();
    publisher.announcer.cancel(off).await.unwrap();
    let id = publisher.announcer.start(BroadcastStart { schedule: Some(begun), ..start() }).await.unwrap();
    publisher.announcer.update(id, "Opening, part 2".into(), String::new()).await.unwrap();
    publisher.announcer.update(id, "Opening, part 2".into(), String::new()).await.unwrap();
    viewer.replicate_from(&publisher).await;
    let seen = |node: &Node| (titles(node), node.directory.listing(&id).unwrap().title);
    assert_eq!(seen(&viewer), (vec!["Closing".to_owned()], "Opening, part 2".to_owned()));
    assert_eq!(publisher.store.clock(&publisher.identity.id()), FeedSequence(7), "nothing is said twice");

    drop(viewer);
    let viewer = Node::open(2, &path);
    assert_eq!(seen(&viewer), (vec!["Closing".to_owned()], "Opening, part 2".to_owned()));
    let second = publisher.announcer.start(BroadcastStart { schedule: Some(begun), ..start() }).await.unwrap();
    let said = publisher.feed(publisher.identity.id()).await;
    let value = said.iter().find(|message| message.key == second.0).unwrap().value_json.to_string();
    assert!(!value.contains(&begun.to_string()), "it has begun already: {value}");
}

#[tokio::test]
async fn what_cannot_be_planned_or_called_otherwise_is_refused() {
    let (publisher, other) = (Node::in_memory(1), Node::in_memory(2));
    let announcer = &publisher.announcer;
    assert!(matches!(announcer.schedule(plan("\u{202e} ")).await, Err(ProgrammeError::NoTitle)));
    let long = announcer.schedule(plan(&"x".repeat(MAX_TITLE_CHARS + 1))).await;
    assert!(matches!(long, Err(ProgrammeError::TooLong("title"))), "{long:?}");
    let unknown = ScheduleId(MessageKey([5; 32]));
    assert!(matches!(announcer.cancel(unknown).await, Err(ProgrammeError::UnknownSchedule(_))));
    assert!(matches!(announcer.reschedule(unknown, plan("x")).await, Err(ProgrammeError::UnknownSchedule(_))));
    let foreign = other.announcer.start(start()).await.unwrap();
    let update = async |id| announcer.update(id, "x".into(), String::new()).await;
    assert!(matches!(update(foreign).await, Err(ProgrammeError::UnknownBroadcast(_))));
    publisher.store.want_peer(other.identity.id());
    publisher.replicate_from(&other).await;
    assert!(matches!(update(foreign).await, Err(ProgrammeError::NotOwn(_))));
    for _ in 0..MAX_SCHEDULED_OF_ONE {
        announcer.schedule(plan("talk")).await.unwrap();
    }
    assert!(matches!(announcer.schedule(plan("talk")).await, Err(ProgrammeError::TooMany)));
}
