//! What bounds a listener, and how it ends.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use streamer::media::MediaEvent;
use testkit::rtmp_hostile;

use crate::node::{Client, Node, all_events, contains, frame, samples_until, video_config};

#[tokio::test]
async fn a_reader_that_never_reads_does_not_slow_the_publisher() {
    let mut node = Node::with(|config| {
        config.limits.queued_events = 64;
        config.limits.queued_bytes = 100_000;
    });
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    // Far more than the queue and the sockets' buffers hold.
    for timestamp in 0..2000 {
        client.send(&frame(timestamp, 10_000)).await;
    }
    client.send(&rtmp_hostile::unpublish()).await;
    assert!(contains(&client.answers_until_closed().await, "NetStream.Unpublish.Success"));
    let events = all_events(&mut publication).await;
    let bytes: usize = events
        .iter()
        .map(|event| match event {
            MediaEvent::Sample(sample) => sample.data.len(),
            _ => 0,
        })
        .sum();
    assert!((50_000..=100_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn media_goes_on_after_a_hole_that_is_marked() {
    let mut node = Node::with(|config| {
        config.limits.queued_events = 8;
    });
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    let (mut timestamp, mut previous) = (0, 0);
    // The publisher goes on until a hole has come out.
    loop {
        for _ in 0..100 {
            timestamp += 1;
            client.send(&frame(timestamp, 100)).await;
        }
        tokio::task::yield_now().await;
        while let Ok(event) = publication.events.try_recv() {
            match event {
                MediaEvent::Sample(sample) => previous = sample.timestamp,
                MediaEvent::Lost => {
                    let resumed = samples_until(&mut publication, |_| true).await;
                    assert!(resumed[0].timestamp > previous + 1);
                    return;
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let mut node = Node::with(|config| config.limits.connections_per_address = 2);
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    let mut second = Client::connect(node.address).await;
    second.send(&rtmp_hostile::truncated_handshakes()[3]).await;
    let mut third = Client::connect(node.address).await;
    assert!(third.answers_until_closed().await.is_empty());
    client.assert_goes_on(&mut publication, 40).await;
}

#[tokio::test]
async fn who_does_not_publish_in_time_is_shown_out() {
    let node = Node::with(|config| config.limits.authentication = Duration::from_millis(200));
    let mut clients = Vec::new();
    for bytes in rtmp_hostile::truncated_handshakes() {
        let mut client = Client::connect(node.address).await;
        client.send(&bytes).await;
        clients.push(client);
    }
    let mut connected = Client::connect(node.address).await;
    connected.send(&[rtmp_hostile::handshake(), rtmp_hostile::connect("live")].concat()).await;
    clients.push(connected);
    for mut client in clients {
        client.answers_until_closed().await;
    }
}

#[tokio::test]
async fn a_silent_publisher_is_taken_for_gone() {
    let mut node = Node::with(|config| config.limits.idle = Duration::from_millis(200));
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    all_events(&mut publication).await;
    assert!(contains(&client.answers_until_closed().await, "nothing arrived for too long"));
    assert!(node.publishers.list().is_empty());
}

#[tokio::test]
async fn a_publication_that_nobody_takes_any_more_ends() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let (mut client, publication) = Client::publish(&mut node, &stream).await;
    drop(publication);
    client.send(&video_config()).await;
    client.send(&frame(40, 100)).await;
    assert!(contains(&client.answers_until_closed().await, "the node ended the publication"));
}

#[tokio::test]
async fn stopping_ends_the_publication_and_says_so() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    client.assert_goes_on(&mut publication, 40).await;
    let answers = tokio::spawn(async move { client.answers_until_closed().await });
    node.stop().await;
    assert!(all_events(&mut publication).await.is_empty());
    assert!(contains(&answers.await.unwrap(), "NetStream.Publish.Failed"));
}

#[tokio::test]
async fn the_unspecified_ipv6_address_takes_ipv4_too() {
    let mut node = Node::with(|config| config.listen = (Ipv6Addr::UNSPECIFIED, 0).into());
    let stream = node.add("hall").await;
    let port = node.address.port();
    assert_ne!(port, 0);
    node.address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    client.assert_goes_on(&mut publication, 40).await;
    node.address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    client.assert_goes_on(&mut publication, 40).await;
}
