//! Several sessions at once, of one name and of several.

use testkit::encoder::{Ffmpeg, Picture};

use crate::node::{Client, Node, all_events, contains, samples_until};

#[tokio::test]
async fn the_same_key_takes_over_from_a_session_that_hangs() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let (mut stale, mut old) = Client::publish(&mut node, &stream).await;
    stale.assert_goes_on(&mut old, 40).await;

    let (mut client, mut new) = Client::publish(&mut node, &stream).await;
    client.assert_goes_on(&mut new, 80).await;
    assert!(all_events(&mut old).await.is_empty());
    assert!(contains(&stale.answers_until_closed().await, "another session with the same stream key took over"));
    client.assert_goes_on(&mut new, 120).await;
    assert_eq!(node.publishers.list().len(), 1);
}

#[tokio::test]
async fn ffmpeg_takes_over_from_ffmpeg() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let first = Ffmpeg::publish(&node.url(&stream), &Picture::default()).unwrap();
    let mut old = node.publication().await;
    samples_until(&mut old, |_| true).await;
    let second = Ffmpeg::publish(&node.url(&stream), &Picture { length: Some(1), ..Picture::default() }).unwrap();
    let mut new = node.publication().await;
    all_events(&mut old).await;
    let (status, _) = first.ended().await.unwrap();
    assert!(!status.success());
    all_events(&mut new).await;
    let (status, text) = second.ended().await.unwrap();
    assert!(status.success(), "{text}");
}

#[tokio::test]
async fn a_publisher_that_was_killed_returns_at_once() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let ffmpeg = Ffmpeg::publish(&node.url(&stream), &Picture::default()).unwrap();
    let mut old = node.publication().await;
    samples_until(&mut old, |_| true).await;
    ffmpeg.kill().await.unwrap();
    let (mut client, mut new) = Client::publish(&mut node, &stream).await;
    all_events(&mut old).await;
    client.assert_goes_on(&mut new, 40).await;
}

#[tokio::test]
async fn several_publish_at_once() {
    let mut node = Node::start();
    let hall = node.add("hall").await;
    let room = node.add("room").await;
    let picture = Picture { length: Some(2), ..Picture::default() };
    let first = Ffmpeg::publish(&node.url(&hall), &picture).unwrap();
    let second = Ffmpeg::publish(&node.url(&room), &picture).unwrap();
    let mut publications = [node.publication().await, node.publication().await];
    publications.sort_by(|a, b| a.name.cmp(&b.name));
    let [hall, room] = &mut publications;
    samples_until(hall, |_| true).await;
    samples_until(room, |_| true).await;
    let list = node.publishers.list();
    let names: Vec<&str> = list.iter().map(|publisher| publisher.name.as_str()).collect();
    assert_eq!(names, ["hall", "room"]);
    assert!(list.iter().all(|publisher| publisher.bytes > 0 && publisher.kbps > 0));
    for publication in &mut publications {
        all_events(publication).await;
    }
    for ffmpeg in [first, second] {
        let (status, text) = ffmpeg.ended().await.unwrap();
        assert!(status.success(), "{text}");
    }
}
