//! ffmpeg, GStreamer and rml_rtmp publish what they are made to publish.

use std::process::Stdio;

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult, PublishRequestType, StreamMetadata,
};
use rml_rtmp::time::RtmpTimestamp;
use streamer::media::{MediaEvent, Sample, TrackKind};
use testkit::encoder::{Ffmpeg, Picture};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::node::{Node, all_events, count, guarded};

/// Splits events into the first `Expect`, the configurations of video and audio, and samples; checks their order.
fn take_apart(events: Vec<MediaEvent>) -> (Option<MediaEvent>, Vec<Bytes>, Vec<Bytes>, Vec<Sample>) {
    let (mut expect, mut video, mut audio, mut samples) = (None, Vec::new(), Vec::new(), Vec::<Sample>::new());
    for (index, event) in events.into_iter().enumerate() {
        match event {
            MediaEvent::Expect { .. } => {
                assert_eq!(index, 0, "expectations come first");
                expect = Some(event);
            }
            MediaEvent::VideoConfig(record) => video.push(record),
            MediaEvent::AudioConfig(record) => audio.push(record),
            MediaEvent::Sample(sample) => {
                match sample.track {
                    TrackKind::Video => assert!(!video.is_empty(), "a sample before its configuration"),
                    TrackKind::Audio => assert!(!audio.is_empty(), "a sample before its configuration"),
                }
                samples.push(sample);
            }
            MediaEvent::Lost => panic!("media was lost though it was taken"),
        }
    }
    for track in [TrackKind::Video, TrackKind::Audio] {
        let times: Vec<u32> =
            samples.iter().filter(|sample| sample.track == track).map(|sample| sample.timestamp).collect();
        assert!(times.is_sorted(), "{track:?} goes back in time");
    }
    (expect, video, audio, samples)
}

async fn publish_with_ffmpeg(video: bool, audio: bool) -> Vec<MediaEvent> {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let picture = Picture { video, audio, length: Some(2), ..Picture::default() };
    let ffmpeg = Ffmpeg::publish(&node.url(&stream), &picture).unwrap();
    let mut publication = node.publication().await;
    assert_eq!(publication.name.as_str(), "hall");
    let events = all_events(&mut publication).await;
    let (status, text) = ffmpeg.ended().await.unwrap();
    assert!(status.success(), "{text}");
    node.stop().await;
    events
}

#[tokio::test]
async fn ffmpeg_publishes_video_with_audio() {
    let (expect, video, audio, samples) = take_apart(publish_with_ffmpeg(true, true).await);
    assert_eq!(expect, Some(MediaEvent::Expect { video: true, audio: true }));
    assert_eq!((video.len(), audio.len()), (1, 1));
    assert_eq!(video[0][0], 1, "version of an AVCDecoderConfigurationRecord");
    assert_eq!(count(&samples, TrackKind::Video), 50);
    assert!(count(&samples, TrackKind::Audio) > 80);
    assert!(samples.iter().find(|sample| sample.track == TrackKind::Video).unwrap().keyframe);
}

#[tokio::test]
async fn ffmpeg_publishes_video_alone() {
    let (expect, video, audio, samples) = take_apart(publish_with_ffmpeg(true, false).await);
    assert_eq!(expect, Some(MediaEvent::Expect { video: true, audio: false }));
    assert_eq!((video.len(), audio.len(), samples.len()), (1, 0, 50));
}

#[tokio::test]
async fn ffmpeg_publishes_audio_alone() {
    let (expect, video, audio, samples) = take_apart(publish_with_ffmpeg(false, true).await);
    assert_eq!(expect, Some(MediaEvent::Expect { video: false, audio: true }));
    assert_eq!((video.len(), audio.len()), (0, 1));
    assert!(samples.len() > 80);
    assert!(samples.iter().all(|sample| sample.keyframe && sample.composition_offset == 0));
}

#[tokio::test]
async fn reordered_frames_keep_their_offsets_and_a_title_arrives() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let child = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -f lavfi -i testsrc2=size=320x180:rate=25 -t 2".split(' '))
        .args("-c:v libx264 -preset veryfast -bf 2 -g 25 -pix_fmt yuv420p -b:v 4M -metadata title=Concert".split(' '))
        .args(["-f", "flv", &node.url(&stream)])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("ffmpeg is needed: run 'make test-deps'");
    let mut publication = node.publication().await;
    assert_eq!(publication.title.as_deref(), Some("Concert"));
    let (_, _, _, samples) = take_apart(all_events(&mut publication).await);
    assert!(guarded("the end of ffmpeg", child.wait_with_output()).await.unwrap().status.success());
    assert_eq!(samples.len(), 50);
    let mut shown: Vec<i64> =
        samples.iter().map(|sample| i64::from(sample.timestamp) + i64::from(sample.composition_offset)).collect();
    assert!(!shown.is_sorted(), "without reordering this shows nothing");
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 40), "{shown:?}");
}

#[tokio::test]
async fn gstreamer_publishes_video_with_audio() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let pipeline = format!(
        "flvmux streamable=true name=mux ! rtmp2sink location={} \
         videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180,framerate=25/1 \
         ! x264enc tune=zerolatency key-int-max=25 ! h264parse ! mux. \
         audiotestsrc num-buffers=86 ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse ! mux.",
        node.url(&stream)
    );
    let child = Command::new("gst-launch-1.0")
        .args(["-q"].into_iter().chain(pipeline.split_whitespace()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("gst-launch-1.0 is needed: run 'make test-deps'");
    let mut publication = node.publication().await;
    let (_, video, audio, samples) = take_apart(all_events(&mut publication).await);
    assert!(guarded("the end of gst-launch-1.0", child.wait_with_output()).await.unwrap().status.success());
    assert_eq!((video.len(), audio.len()), (1, 1));
    assert_eq!(count(&samples, TrackKind::Video), 50);
    assert!(count(&samples, TrackKind::Audio) > 80);
}

/// rml_rtmp's client session on a socket.
struct RmlClient {
    stream: TcpStream,
    session: ClientSession,
}

impl RmlClient {
    async fn connect(node: &Node) -> Self {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let mut handshake = Handshake::new(PeerType::Client);
        stream.write_all(&handshake.generate_outbound_p0_and_p1().unwrap()).await.unwrap();
        let (mut buffer, rest) = (
            vec![0; 4096],
            loop {
                let mut piece = vec![0; 4096];
                let read = guarded("the handshake", stream.read(&mut piece)).await.unwrap();
                match handshake.process_bytes(&piece[..read]).unwrap() {
                    HandshakeProcessResult::InProgress { response_bytes } => {
                        stream.write_all(&response_bytes).await.unwrap();
                    }
                    HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                        stream.write_all(&response_bytes).await.unwrap();
                        break remaining_bytes;
                    }
                }
            },
        );
        buffer.clear();
        assert!(rest.is_empty(), "nothing is said before 'connect'");
        let (session, _) = ClientSession::new(ClientSessionConfig::new()).unwrap();
        let mut client = Self { stream, session };
        let request = client.session.request_connection("live".to_owned()).unwrap();
        client.write(vec![request]).await;
        client.await_event(|event| *event == ClientSessionEvent::ConnectionRequestAccepted).await;
        client
    }

    async fn publish(&mut self, stream: &str) {
        let request = self.session.request_publishing(stream.to_owned(), PublishRequestType::Live).unwrap();
        self.write(vec![request]).await;
    }

    /// Sends what there is to send and returns the events.
    async fn write(&mut self, results: Vec<ClientSessionResult>) -> Vec<ClientSessionEvent> {
        let mut events = Vec::new();
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => self.stream.write_all(&packet.bytes).await.unwrap(),
                ClientSessionResult::RaisedEvent(event) => events.push(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        events
    }

    async fn await_event(&mut self, wanted: impl Fn(&ClientSessionEvent) -> bool) {
        let mut buffer = [0; 4096];
        loop {
            let read = guarded("an answer", self.stream.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "the node closed the connection");
            let results = self.session.handle_input(&buffer[..read]).unwrap();
            if self.write(results).await.iter().any(&wanted) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn rml_rtmp_publishes_video_with_audio() {
    let mut node = Node::start();
    let stream = node.add("hall").await;
    let mut client = RmlClient::connect(&node).await;
    client.publish(&stream).await;
    client.await_event(|event| *event == ClientSessionEvent::PublishRequestAccepted).await;

    let mut metadata = StreamMetadata::new();
    metadata.video_codec_id = Some(7);
    metadata.audio_codec_id = Some(10);
    let mut results = vec![client.session.publish_metadata(&metadata).unwrap()];
    let mut frame = vec![0x17, 1, 0, 0, 0];
    frame.resize(5000, 0x65);
    let video = [Bytes::from_static(&[0x17, 0, 0, 0, 0, 1, 100]), frame.into()];
    let audio = [Bytes::from_static(&[0xaf, 0, 0x12, 0x10]), Bytes::from_static(&[0xaf, 1, 7])];
    // Beyond 2²⁴ ms, where rml_rtmp extends its timestamps.
    for (timestamp, data) in [(0, &video[0]), (16_777_300, &video[1]), (16_777_340, &video[1])] {
        let timestamp = RtmpTimestamp::new(timestamp);
        results.push(client.session.publish_video_data(data.clone(), timestamp, false).unwrap());
    }
    for (timestamp, data) in [(0, &audio[0]), (16_777_300, &audio[1]), (16_777_323, &audio[1])] {
        let timestamp = RtmpTimestamp::new(timestamp);
        results.push(client.session.publish_audio_data(data.clone(), timestamp, false).unwrap());
    }
    results.extend(client.session.stop_publishing().unwrap());
    client.write(results).await;

    let mut publication = node.publication().await;
    let (expect, video, audio, samples) = take_apart(all_events(&mut publication).await);
    assert_eq!(expect, Some(MediaEvent::Expect { video: true, audio: true }));
    assert_eq!((video.len(), audio.len()), (1, 1));
    let times: Vec<u32> = samples.iter().map(|sample| sample.timestamp).collect();
    assert_eq!(times, [16_777_300, 16_777_340, 16_777_300, 16_777_323]);
}

#[tokio::test]
async fn rml_rtmp_is_refused_with_bad_name() {
    let node = Node::start();
    node.add("hall").await;
    let mut client = RmlClient::connect(&node).await;
    client.publish("hall?key=wrong").await;
    let refused = |event: &ClientSessionEvent| matches!(event, ClientSessionEvent::UnhandleableOnStatusCode { code } if code == "NetStream.Publish.BadName");
    client.await_event(refused).await;
}
