//! Hostile peers: the node goes on serving, in bounded memory.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;
use ssb_announcer::handshake::box_stream::{BoxReader, BoxWriter};
use ssb_announcer::handshake::{NetworkKey, authenticate_client};
use ssb_announcer::identity::Identity;
use stream_model::FeedId;
use testkit::encoder::Ffmpeg;
use testkit::events::Events;
use testkit::node::Node;
use testkit::rtmp_hostile as rtmp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{node, publish};

/// What the node may have resident while it is attacked and publishes.
const MEMORY: u64 = 200 * 1024 * 1024;

/// How long an attacker listens for an answer. Not a wait for anything: the connection may stay open for longer.
const LISTEN: Duration = Duration::from_millis(300);

#[tokio::test]
async fn hostile_rtmp_stops_nobody_and_takes_little_memory() -> Result<()> {
    let (a, _publisher, mut events) = target().await?;

    let mut attacks: Vec<Vec<u8>> = rtmp::truncated_handshakes();
    attacks.push(rtmp::random_bytes(1, 100_000));
    attacks.push(rtmp::random_after_handshake(2, 100_000));
    attacks.push(rtmp::amf0_nested(200_000));
    attacks.push(rtmp::amf0_nested_arrays());
    attacks.push(rtmp::amf0_nulls(9_000_000));
    attacks.push([rtmp::handshake(), rtmp::chunk_streams_declaring(200, 9_000_000)].concat());
    attacks.extend(std::iter::repeat_n([rtmp::handshake(), rtmp::half_sent_message(9_000_000, 60_000)].concat(), 20));
    for bytes in rtmp::bad_control_messages() {
        attacks.push([rtmp::handshake(), bytes].concat());
    }
    attack(a.rtmp_address(), attacks, &a).await?;

    // The same from somebody who has a key.
    for (name, bytes) in [
        ("interleaved", rtmp::interleaved_chunk_streams()),
        ("window", rtmp::window_acknowledgement_zero()),
        ("extended", rtmp::extended_timestamps()),
        ("nulls", rtmp::metadata_nulls(9_000_000)),
        ("declaring", rtmp::chunk_streams_declaring(200, 9_000_000)),
    ] {
        let key = a.add_key(name).await?;
        let start = rtmp::publisher(&format!("{name}?key={key}"));
        attack(a.rtmp_address(), vec![[start, bytes].concat()], &a).await?;
    }
    let mut half_sent = Vec::new();
    for index in 0..20 {
        let key = a.add_key(&format!("half{index}")).await?;
        let start = rtmp::publisher(&format!("half{index}?key={key}"));
        half_sent.push([start, rtmp::half_sent_message(9_000_000, 7_000_000)].concat());
    }
    attack(a.rtmp_address(), half_sent, &a).await?;
    goes_on(&a, &mut events).await
}

#[tokio::test]
async fn hostile_ssb_stops_nobody_and_takes_little_memory() -> Result<()> {
    let (a, _publisher, mut events) = target().await?;

    // Without the network key: noise, a handshake cut off, 64 bytes that are no hello of this network.
    let hello = rtmp::random_bytes(3, 64);
    attack(a.ssb_address(), vec![rtmp::random_bytes(4, 100_000), hello[..20].to_vec(), hello], &a).await?;

    let declared = [&[0x0a][..], &u32::MAX.to_be_bytes(), &1_u32.to_be_bytes(), &[b'x'; 10_000]].concat();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let replicate = br#"{"name":["ebt","replicate"],"args":[{"version":3,"format":"classic"}],"type":"duplex"}"#;
    let message = |content: &str| {
        let author = a.status()["node"]["feed"].as_str().unwrap_or_default().to_owned();
        format!(
            r#"{{"previous":null,"author":"{author}","sequence":1,"timestamp":1,"hash":"sha256","content":{content},"signature":"{}.sig.ed25519"}}"#,
            "A".repeat(86) + "=="
        )
    };
    let sessions: Vec<Vec<u8>> = vec![
        declared,
        packet(0x0a, 1, deep(1_000).as_bytes()),
        [packet(0x0a, 1, replicate), packet(0x0a, 1, deep(1_000).as_bytes())].concat(),
        [packet(0x0a, 1, replicate), packet(0x0a, 1, message(&deep(1_000)).as_bytes())].concat(),
        [packet(0x0a, 1, replicate), packet(0x0a, 1, message(r#"{"type":"post","text":"forged"}"#).as_bytes())]
            .concat(),
    ];
    let feed: FeedId = a.status()["node"]["feed"].as_str().context("no feed")?.parse()?;
    for session in sessions {
        authenticated(&a.ssb_address(), feed, &session).await?;
    }
    goes_on(&a, &mut events).await
}

/// A node with a broadcast that is to go on, and its events.
async fn target() -> Result<(Node, Ffmpeg, Events)> {
    let a = node("target").await?;
    let key = a.add_key("demo").await?;
    let publisher = publish(&a, &key)?;
    let mut events = Events::of(&a).await?;
    let slug = events.live_broadcast().await?;
    events.subscribe(&slug).await?;
    Ok((a, publisher, events))
}

/// Sends each of the texts on a connection of its own, all at once, and holds the connections open meanwhile.
async fn attack(address: String, attacks: Vec<Vec<u8>>, target: &Node) -> Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    for bytes in attacks {
        let address = address.clone();
        connections.spawn(async move {
            let Ok(mut stream) = TcpStream::connect(address).await else { return };
            // The node may close whenever it has seen enough, so that writing may fail.
            let _ = stream.write_all(&bytes).await;
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(LISTEN, stream.read_to_end(&mut answer)).await;
        });
    }
    while connections.join_next().await.is_some() {
        within_memory(target)?;
    }
    Ok(())
}

async fn authenticated(address: &str, feed: FeedId, bytes: &[u8]) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let identity = Identity::generate();
    let keys = authenticate_client(&mut stream, &NetworkKey::MAIN, identity.signing_key(), feed).await?;
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) = (BoxReader::new(reader, keys.receive), BoxWriter::new(writer, keys.send));
    writer.push(bytes);
    let _ = writer.write().await;
    let mut answers = BytesMut::new();
    let _ = tokio::time::timeout(LISTEN, async { while let Ok(true) = reader.read(&mut answers).await {} }).await;
    Ok(())
}

/// A muxrpc packet (SSB protocol guide, "RPC protocol").
fn packet(flags: u8, request: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&[flags][..], &length.to_be_bytes(), &request.to_be_bytes(), body].concat()
}

fn within_memory(node: &Node) -> Result<()> {
    let resident = node.resident_bytes()?;
    ensure!(resident < MEMORY, "{} MiB resident", resident >> 20);
    Ok(())
}

async fn goes_on(node: &Node, events: &mut Events) -> Result<()> {
    let newest = events.segment(0).await?;
    events.segment(newest + 2).await?;
    ensure!(node.get_text("/healthz").await.is_ok(), "not healthy");
    within_memory(node)
}
