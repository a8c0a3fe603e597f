//! Hostile clients are refused or bounded, and a publisher beside them goes on.

use streamer::ingest::session::{AmfError, ChunkError, Event, S1_RANDOM, Session, SessionError};
use streamer::media::MediaEvent;
use testkit::rtmp_hostile;

use crate::node::{Client, Node, samples_until};

/// Bytes of a session's own before the publisher is let in: messages in progress, the handshake, answers.
const UNAUTHENTICATED_BOUND: usize = 64 * 1024 + 8 * 1024;

/// And after.
const PUBLISHING_BOUND: usize = 8 * 1024 * 1024 + 72 * 1024;

/// Runs a session over `bytes`, letting in who asks, and returns how it ended and its media.
fn run(bytes: &[u8]) -> (Result<(), SessionError>, Vec<MediaEvent>) {
    let mut session = Session::new(&[0; S1_RANDOM]);
    let mut media = Vec::new();
    for mut piece in bytes.chunks(4096) {
        loop {
            let result = session.handle_input(&mut piece);
            let bound = if session.is_publishing() { PUBLISHING_BOUND } else { UNAUTHENTICATED_BOUND };
            assert!(session.buffered() <= bound, "{} bytes held", session.buffered());
            session.take_output();
            match result {
                Ok(Some(Event::PublishRequest(_))) => session.accept(),
                Ok(Some(Event::Media(event))) => media.push(event),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return (Err(error), media),
            }
        }
    }
    (Ok(()), media)
}

fn publisher_and(bytes: Vec<u8>) -> Vec<u8> {
    [rtmp_hostile::publisher("hall?key=any"), bytes].concat()
}

fn stranger_and(bytes: Vec<u8>) -> Vec<u8> {
    [rtmp_hostile::handshake(), bytes].concat()
}

#[test]
fn nesting_and_numbers_of_values_are_refused() {
    let too_long = |result| matches!(result, Err(SessionError::Chunk(ChunkError::MessageTooLong { .. })));
    assert!(too_long(run(&rtmp_hostile::amf0_nested(200_000)).0));
    assert!(too_long(run(&rtmp_hostile::amf0_nulls(9_000_000)).0));
    assert!(too_long(run(&publisher_and(rtmp_hostile::metadata_nulls(9_000_000))).0));
    assert_eq!(run(&rtmp_hostile::amf0_nested(10_000)).0, Err(SessionError::Amf(AmfError::TooDeep)));
    assert_eq!(run(&rtmp_hostile::amf0_nested_arrays()).0, Err(SessionError::Amf(AmfError::TooDeep)));
    assert_eq!(run(&rtmp_hostile::amf0_nulls(60_000)).0, Err(SessionError::Amf(AmfError::TooMany)));
    let metadata = publisher_and(rtmp_hostile::metadata_nulls(60_000));
    assert_eq!(run(&metadata).0, Err(SessionError::Amf(AmfError::TooMany)));
}

#[test]
fn declared_lengths_are_refused_before_and_after_publishing() {
    for with in [stranger_and, publisher_and] {
        let refused = run(&with(rtmp_hostile::chunk_streams_declaring(200, 9_000_000))).0;
        assert!(matches!(refused, Err(SessionError::Chunk(ChunkError::MessageTooLong { .. }))), "{refused:?}");
        let refused = run(&with(rtmp_hostile::half_sent_message(9_000_000, 100_000))).0;
        assert!(matches!(refused, Err(SessionError::Chunk(ChunkError::MessageTooLong { .. }))), "{refused:?}");
        let refused = run(&with(rtmp_hostile::chunk_streams_declaring(200, 60_000))).0;
        assert!(matches!(refused, Err(SessionError::Chunk(_))), "{refused:?}");
        let refused = run(&with(rtmp_hostile::chunk_streams_declaring(200, 200))).0;
        assert_eq!(refused, Err(SessionError::Chunk(ChunkError::TooManyChunkStreams)));
    }
}

#[test]
fn what_is_unusual_but_valid_is_read() {
    let samples = |bytes| {
        let (result, media) = run(&publisher_and(bytes));
        assert_eq!(result, Ok(()));
        let sample = |event: MediaEvent| match event {
            MediaEvent::Sample(sample) => Some(sample.timestamp),
            _ => None,
        };
        media.into_iter().filter_map(sample).collect::<Vec<u32>>()
    };
    assert_eq!(samples(rtmp_hostile::interleaved_chunk_streams()), [40, 41]);
    let expected = [0x00ff_fffe, 0x00ff_ffff, 0x0100_0000, 0xffff_fff0, 0xffff_ffff, 0, 5, 0x0100_0005, 0x0200_0005];
    assert_eq!(samples(rtmp_hostile::extended_timestamps()), expected);
    assert_eq!(run(&publisher_and(rtmp_hostile::window_acknowledgement_zero())).0, Ok(()));
    assert_eq!(run(&publisher_and(rtmp_hostile::pings(10_000))).0, Ok(()));
}

#[test]
fn control_messages_without_sense_are_refused_or_ignored() {
    let results: Vec<bool> =
        rtmp_hostile::bad_control_messages().into_iter().map(|bytes| run(&stranger_and(bytes)).0.is_ok()).collect();
    assert_eq!(results, [false, false, false, false, false, true]);
}

#[test]
fn bytes_without_meaning_are_handled() {
    for seed in 0..200 {
        let _ = run(&rtmp_hostile::random_bytes(seed, 5000));
        let _ = run(&rtmp_hostile::random_after_handshake(seed, 5000));
        let _ = run(&publisher_and(rtmp_hostile::random_bytes(seed, 5000)));
    }
}

#[tokio::test]
async fn a_publisher_goes_on_beside_hostile_clients() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let other = node.add("room").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;

    let mut refused = vec![
        rtmp_hostile::random_bytes(1, 100_000),
        rtmp_hostile::amf0_nested(200_000),
        rtmp_hostile::amf0_nulls(9_000_000),
        stranger_and(rtmp_hostile::chunk_streams_declaring(200, 9_000_000)),
    ];
    refused.extend((2..6).map(|seed| rtmp_hostile::random_after_handshake(seed, 100_000)));
    let mut timestamp = 0;
    for bytes in refused {
        let mut hostile = Client::connect(node.address).await;
        hostile.send(&bytes).await;
        hostile.answers_until_closed().await;
        timestamp += 40;
        client.assert_goes_on(&mut publication, timestamp).await;
    }

    // These stay connected as long as they may.
    let mut waiting = Vec::new();
    for bytes in rtmp_hostile::truncated_handshakes() {
        waiting.push((bytes, Client::connect(node.address).await));
    }
    for _ in 0..20 {
        let bytes = stranger_and(rtmp_hostile::half_sent_message(9_000_000, 60_000));
        waiting.push((bytes, Client::connect(node.address).await));
    }
    for (bytes, hostile) in &mut waiting {
        hostile.send(bytes).await;
        timestamp += 40;
        client.assert_goes_on(&mut publication, timestamp).await;
    }
    drop(waiting);

    // Those of a publisher with a key of its own.
    for bytes in [
        rtmp_hostile::chunk_streams_declaring(200, 9_000_000),
        rtmp_hostile::metadata_nulls(9_000_000),
        rtmp_hostile::random_bytes(7, 100_000),
    ] {
        let mut hostile = Client::connect(node.address).await;
        hostile.send(&rtmp_hostile::publisher(&other)).await;
        hostile.send(&bytes).await;
        hostile.answers_until_closed().await;
        timestamp += 40;
        client.assert_goes_on(&mut publication, timestamp).await;
    }
    for bytes in [
        rtmp_hostile::interleaved_chunk_streams(),
        rtmp_hostile::extended_timestamps(),
        [crate::node::video_config(), rtmp_hostile::window_acknowledgement_zero(), crate::node::frame(5, 100)].concat(),
    ] {
        let mut unusual = Client::connect(node.address).await;
        unusual.send(&rtmp_hostile::publisher(&other)).await;
        unusual.send(&bytes).await;
        let mut arrived = node.publication().await;
        samples_until(&mut arrived, |_| true).await;
        timestamp += 40;
        client.assert_goes_on(&mut publication, timestamp).await;
    }
}
