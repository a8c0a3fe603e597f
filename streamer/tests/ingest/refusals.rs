//! Who may not publish, and what is said about it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use testkit::encoder::{Ffmpeg, Picture};
use testkit::rtmp_hostile;

use crate::node::{Client, Node, all_events, contains, samples_until};

/// What the node logs in the test that holds the guard: all of it runs on the test's own thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// ffmpeg publishes to `stream`, fails, and says `reason`; the log says it too, and not the key.
async fn assert_refused(node: &mut Node, stream: &str, reason: &str) {
    let (log, _guard) = Log::capture();
    let picture = Picture { length: Some(20), ..Picture::default() };
    let (status, text) = Ffmpeg::publish(&node.url(stream), &picture).unwrap().ended().await.unwrap();
    assert!(!status.success(), "ffmpeg went on");
    assert!(text.contains(reason), "{text}");
    node.assert_no_publication();
    let log = log.text();
    assert!(log.contains(reason), "{log}");
    if let Some((_, key)) = stream.split_once("key=") {
        assert!(!log.contains(key), "{log}");
    }
}

#[tokio::test]
async fn a_missing_key_is_refused() {
    let mut node = Node::start();
    node.add("hall").await;
    assert_refused(&mut node, "hall", "the stream key is missing").await;
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let mut node = Node::start();
    node.add("hall").await;
    assert_refused(&mut node, "hall?key=0123456789abcdef0123456789abcdef", "the stream key is wrong").await;
}

#[tokio::test]
async fn the_key_of_another_name_is_refused() {
    let mut node = Node::start();
    node.add("hall").await;
    let room = node.add("room").await;
    assert_refused(&mut node, &room.replace("room", "hall"), "the stream key is wrong").await;
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    node.revoke("hall").await;
    assert_refused(&mut node, &stream, "there is no stream key for this name").await;
}

#[tokio::test]
async fn an_address_outside_the_allowed_is_refused() {
    let mut node = Node::with(|config| config.allow = vec!["10.0.0.2".parse().unwrap(), "fc00::/8".parse().unwrap()]);
    let stream = node.add("hall").await;
    assert_refused(&mut node, &stream, "this address may not publish here").await;
}

#[tokio::test]
async fn an_allowed_address_may_publish() {
    let mut node = Node::with(|config| config.allow = vec!["127.0.0.0/8".parse().unwrap()]);
    let stream = node.add("hall").await;
    let (mut client, mut publication) = Client::publish(&mut node, &stream).await;
    client.assert_goes_on(&mut publication, 40).await;
}

#[tokio::test]
async fn another_application_is_refused() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let url = node.url(&stream).replace("/live/", "/vod/");
    let (status, text) = Ffmpeg::publish(&url, &Picture::default()).unwrap().ended().await.unwrap();
    assert!(!status.success());
    assert!(text.contains("there is no application 'vod'"), "{text}");
    node.assert_no_publication();
}

#[tokio::test]
async fn every_refusal_has_the_code_bad_name() {
    let node = Node::start();
    node.add("hall").await;
    for stream in ["hall", "hall?key=wrong", "room?key=wrong", "no name?key=wrong"] {
        let mut client = Client::connect(node.address).await;
        client.send(&rtmp_hostile::publisher(stream)).await;
        let answers = client.answers_until_closed().await;
        assert!(contains(&answers, "NetStream.Publish.BadName"), "{stream}");
        assert!(!contains(&answers, "NetStream.Publish.Start"), "{stream}");
    }
}

#[tokio::test]
async fn a_codec_that_is_not_carried_is_named_to_ffmpeg() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let (log, _guard) = Log::capture();
    let child = tokio::process::Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=25 -t 20".split(' '))
        .args(["-c:v", "flv1", "-f", "flv", &node.url(&stream)])
        .kill_on_drop(true)
        .output();
    let output = crate::node::guarded("the end of ffmpeg", child).await;
    let output = output.expect("ffmpeg is needed: run 'make test-deps'");
    assert!(!output.status.success());
    node.assert_no_publication();
    let log = log.text();
    assert!(log.contains("Sorenson H.263 is not supported: send H.264"), "{log}");
}

#[tokio::test]
async fn revoking_a_key_ends_its_publisher_alone() {
    let mut node = Node::start();
    let hall = node.add("hall").await;
    let room = node.add("room").await;
    let ffmpeg = Ffmpeg::publish(&node.url(&hall), &Picture::default()).unwrap();
    let mut revoked = node.publication().await;
    samples_until(&mut revoked, |_| true).await;
    let (mut client, mut kept) = Client::publish(&mut node, &room).await;

    node.revoke("hall").await;
    all_events(&mut revoked).await;
    let (status, _) = ffmpeg.ended().await.unwrap();
    assert!(!status.success());
    client.assert_goes_on(&mut kept, 40).await;
    let names: Vec<String> = node.publishers.list().into_iter().map(|publisher| publisher.name.to_string()).collect();
    assert_eq!(names, ["room"]);
}

#[tokio::test]
async fn a_publisher_whose_key_is_revoked_hears_why() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let (mut client, _publication) = Client::publish(&mut node, &stream).await;
    node.revoke("hall").await;
    let answers = client.answers_until_closed().await;
    assert!(contains(&answers, "NetStream.Publish.BadName"));
    assert!(contains(&answers, "the stream key was revoked"));
}
