//! What the owner says of a broadcast: what it is called, what it fulfils, that it ends.

use stream_model::{EndReason, ProgrammeLog as _, Schedule, StreamDetails, StreamKeys as _, WallTime};

use super::*;

fn details(title: &str, description: &str) -> StreamDetails {
    StreamDetails { title: title.into(), description: description.into(), schedule: None }
}

/// The title and description with which the first broadcast was announced.
fn called(disk: &Disk) -> (String, String) {
    let (_, start) = disk.starts().remove(0);
    (start.title, start.description)
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_called_what_its_owner_set_before_what_its_publisher_says() {
    let disk = Disk::new();
    disk.keys().add(name()).await.unwrap();
    disk.keys().set_details(name(), details("Opening", "with\nmusic")).await.unwrap();
    let node = disk.start();
    node.publish_titled(AUDIO, Some("OBS")).await.seconds(5).await;
    disk.announced(1).await;
    assert_eq!(called(&disk), ("Opening".to_owned(), "with\nmusic".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_begins_with_the_next_broadcast_alone_and_gives_it_its_name() {
    let disk = Disk::new();
    disk.keys().add(name()).await.unwrap();
    let plan = Schedule { title: "Keynote".into(), description: "at ten".into(), starts_at: WallTime(0) };
    let id = disk.feeds.schedule(plan).await.unwrap();
    disk.keys().set_details(name(), StreamDetails { schedule: Some(id), ..details("", "in the hall") }).await.unwrap();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(1).await;
    assert_eq!(disk.starts()[0].1.schedule, Some(id));
    assert_eq!(called(&disk), ("Keynote".to_owned(), "in the hall".to_owned()));
    assert!(disk.feeds.upcoming().is_empty());

    node.ends.ask(disk.starts()[0].0);
    drop(encoder);
    disk.ended().await;
    node.publish(AUDIO).await.seconds(5).await;
    disk.appended("another start", |_| disk.starts().len() == 2).await;
    let (_, second) = disk.starts().remove(1);
    assert_eq!((second.title.as_str(), second.schedule), (name().as_str(), None));
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_ends_ends_with_its_publisher_and_without_the_grace_time() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    disk.announced(2).await;
    let (id, _) = disk.starts().remove(0);
    node.ends.ask(id);
    encoder.seconds(2).await;
    assert_eq!(node.status.broadcast(&name()), Some(id), "it goes on as long as its publisher is there");
    drop(encoder);
    // Within the guard, which is shorter than the grace time.
    let end = disk.ended().await;
    assert_eq!(end.reason, EndReason::Owner);
    let stored = disk.feeds.announced().len() as u64;
    assert_eq!((end.broadcast, end.media_sequence.0), (id, stored), "all that came is announced before");
    node.ends.ended(&id).await;
    assert_eq!(node.status.broadcast(&name()), None);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_publisher_ends_as_soon_as_its_owner_says_so() {
    let disk = Disk::new();
    let node = disk.start();
    let mut encoder = node.publish(AUDIO).await;
    encoder.seconds(5).await;
    drop(encoder);
    disk.announced(3).await;
    let (id, _) = disk.starts().remove(0);
    node.ends.ask(id);
    assert_eq!(disk.ended().await.reason, EndReason::Owner);
}
