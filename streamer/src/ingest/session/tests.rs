//! Whole sessions, from the client's bytes to events and answers.

use proptest::prelude::*;

use super::*;

/// A client that writes what encoders write and reads our answers with our own reader.
struct Client {
    session: Session,
    writer: ChunkWriter,
    reader: ChunkReader,
    handshake_left: usize,
}

impl Client {
    fn new() -> Self {
        let mut client = Self {
            session: Session::new(&[0; S1_RANDOM]),
            writer: ChunkWriter::new(),
            reader: ChunkReader::new(),
            handshake_left: 1 + 2 * handshake::PACKET,
        };
        let mut hello = vec![3];
        hello.resize(1 + 2 * handshake::PACKET, 0);
        assert_eq!(client.send_bytes(&hello), Ok(vec![]));
        client
    }

    /// A client whose `publish` waits for its answer.
    fn asking(app: &str, stream: &str) -> (Self, PublishRequest) {
        let mut client = Self::new();
        client.command("connect", 1.0, &[object(&[("app", app), ("tcUrl", "rtmp://localhost/live")])]).unwrap();
        client.command("releaseStream", 2.0, &[Value::Null, text(stream)]).unwrap();
        client.command("FCPublish", 3.0, &[Value::Null, text(stream)]).unwrap();
        client.command("createStream", 4.0, &[Value::Null]).unwrap();
        let events = client.command("publish", 5.0, &[Value::Null, text(stream), text("live")]).unwrap();
        let [Event::PublishRequest(request)] = &events[..] else { panic!("{events:?}") };
        (client, request.clone())
    }

    fn publishing() -> Self {
        let (mut client, _) = Self::asking("live", "demo?key=secret");
        client.session.accept();
        client
    }

    fn send_bytes(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, SessionError> {
        let mut events = Vec::new();
        while let Some(event) = self.session.handle_input(&mut bytes)? {
            let ask = matches!(event, Event::PublishRequest(_) | Event::Unpublish);
            events.push(event);
            if ask {
                break;
            }
        }
        Ok(events)
    }

    fn send(&mut self, kind: u8, timestamp: u32, payload: &[u8]) -> Result<Vec<Event>, SessionError> {
        let message = Message { kind, timestamp, stream: 1, payload: Bytes::copy_from_slice(payload) };
        let mut bytes = Vec::new();
        self.writer.write(&mut bytes, 4, &message);
        self.send_bytes(&bytes)
    }

    fn command(&mut self, name: &str, transaction: f64, values: &[Value]) -> Result<Vec<Event>, SessionError> {
        let message = message::command(1, name, transaction, values);
        self.send(kind::COMMAND_AMF0, 0, &message.payload)
    }

    /// Our answers so far.
    fn answers(&mut self) -> Vec<Message> {
        let output = self.session.take_output();
        let skipped = self.handshake_left.min(output.len());
        self.handshake_left -= skipped;
        let mut rest = &output[skipped..];
        let mut messages = Vec::new();
        while let Some(message) = self.reader.read(&mut rest).unwrap() {
            if message.kind == kind::SET_CHUNK_SIZE {
                self.reader.set_chunk_size(message::control_number(&message).unwrap()).unwrap();
            }
            messages.push(message);
        }
        messages
    }

    /// Code and description of the `onStatus`, `_result` and `_error` answers so far.
    fn statuses(&mut self) -> Vec<(String, String)> {
        let commands = self.answers().into_iter().filter(|message| message.kind == kind::COMMAND_AMF0);
        let values = commands.flat_map(|message| amf0::parse(&message.payload).unwrap());
        let text = |value: &Value, name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        values.filter_map(|value| Some((text(&value, "code")?, text(&value, "description")?))).collect()
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn object(properties: &[(&str, &str)]) -> Value {
    Value::Object(properties.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect())
}

fn values(values: &[Value]) -> Vec<u8> {
    let mut payload = Vec::new();
    values.iter().for_each(|value| amf0::write(&mut payload, value));
    payload
}

#[test]
fn a_publisher_is_let_in_and_its_media_arrives() {
    let mut client = Client::publishing();
    let codes: Vec<String> = client.statuses().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["NetConnection.Connect.Success", "NetStream.Publish.Start"]);

    let config = Event::Media(MediaEvent::VideoConfig(Bytes::from_static(&[1, 2])));
    assert_eq!(client.send(kind::VIDEO, 0, &[0x17, 0, 0, 0, 0, 1, 2]), Ok(vec![config]));
    let sample = Sample {
        track: TrackKind::Video,
        timestamp: u32::MAX,
        composition_offset: 80,
        keyframe: true,
        data: Bytes::from_static(&[9]),
    };
    let expected = Event::Media(MediaEvent::Sample(sample));
    assert_eq!(client.send(kind::VIDEO, u32::MAX, &[0x17, 1, 0, 0, 80, 9]), Ok(vec![expected]));
    assert_eq!(client.command("FCUnpublish", 6.0, &[Value::Null, text("demo")]), Ok(vec![Event::Unpublish]));
    assert_eq!(client.statuses()[0].0, "NetStream.Unpublish.Success");
    assert_eq!(client.command("deleteStream", 7.0, &[]), Err(SessionError::Finished));
}

#[test]
fn the_key_is_found_where_encoders_put_it() {
    let check = |app: &str, stream: &str, key: Option<&str>| {
        let (_, request) = Client::asking(app, stream);
        assert_eq!(request.name.as_str(), "demo");
        assert_eq!(request.app, "live");
        assert_eq!(request.key.as_ref().map(StreamKey::expose), key, "{app} {stream}");
    };
    check("live", "demo?key=secret", Some("secret"));
    check("live/", "demo?other=1&key=secret", Some("secret"));
    check("live?key=secret", "demo", Some("secret"));
    check("live?key=other", "demo?key=secret", Some("secret"));
    check("live", "demo", None);
    check("live", "demo?key=", None);
    check("live", "demo?monkey=secret", None);
}

#[test]
fn a_key_does_not_appear_in_what_is_printed() {
    let (mut client, request) = Client::asking("live", "demo?key=hush");
    client.session.reject("wrong key");
    assert!(!format!("{request:?} {client:?}", client = client.session).contains("hush"));
    assert!(client.statuses().iter().all(|(_, description)| !description.contains("hush")));
}

#[test]
fn a_rejected_publisher_is_told_why() {
    let (mut client, _) = Client::asking("live", "demo?key=wrong");
    client.session.reject("the key is wrong");
    let expected = ("NetStream.Publish.BadName".to_owned(), "the key is wrong".to_owned());
    assert_eq!(client.statuses().last(), Some(&expected));
    assert_eq!(client.send(kind::VIDEO, 0, &[0x17, 0, 0, 0, 0, 1]), Err(SessionError::Finished));
}

#[test]
fn nothing_is_read_while_a_request_is_decided() {
    let (mut client, _) = Client::asking("live", "demo?key=secret");
    let mut input: &[u8] = b"held back";
    assert_eq!(client.session.handle_input(&mut input), Ok(None));
    assert_eq!(input, b"held back");
}

#[test]
fn other_applications_and_names_are_refused_with_what_to_write() {
    let mut client = Client::new();
    let result = client.command("connect", 1.0, &[object(&[("app", "vod")])]);
    assert_eq!(result, Err(SessionError::UnknownApp("vod".to_owned())));
    assert!(client.statuses()[0].1.contains("/live/NAME?key=KEY"));

    let mut client = Client::new();
    client.command("connect", 1.0, &[object(&[("app", "live")])]).unwrap();
    let result = client.command("publish", 2.0, &[Value::Null, text("no name?key=k")]);
    assert_eq!(result, Err(SessionError::BadStreamName));
    let (code, description) = client.statuses().pop().unwrap();
    assert_eq!(code, "NetStream.Publish.BadName");
    assert!(description.contains("/live/NAME?key=KEY"));
}

#[test]
fn commands_out_of_order_are_refused() {
    let mut client = Client::new();
    assert_eq!(client.command("publish", 1.0, &[Value::Null, text("a")]), Err(SessionError::OutOfOrder("publish")));
    let mut client = Client::publishing();
    assert_eq!(client.command("publish", 9.0, &[Value::Null, text("a")]), Err(SessionError::OutOfOrder("publish")));
    let mut client = Client::publishing();
    assert_eq!(client.command("connect", 9.0, &[]), Err(SessionError::OutOfOrder("connect")));
    let mut client = Client::new();
    client.command("connect", 1.0, &[object(&[("app", "live")])]).unwrap();
    assert_eq!(client.command("play", 2.0, &[Value::Null, text("a")]), Err(SessionError::Play));
    assert_eq!(client.statuses().pop().unwrap().0, "NetStream.Play.Failed");
}

#[test]
fn amf3_commands_are_read_as_encoders_send_them() {
    let mut client = Client::new();
    let connect = message::command(0, "connect", 1.0, &[object(&[("app", "live")])]);
    client.send(kind::COMMAND_AMF3, 0, &[&[0], &connect.payload[..]].concat()).unwrap();
    assert_eq!(client.statuses()[0].0, "NetConnection.Connect.Success");
    assert_eq!(client.send(kind::COMMAND_AMF3, 0, &[3]), Err(SessionError::Amf(AmfError::Marker(3))));
}

#[test]
fn metadata_is_read_and_its_title_is_cut() {
    let mut client = Client::publishing();
    let title = format!(" \u{7}Concert {}", "x".repeat(300));
    let data = Value::Object(vec![
        ("title".to_owned(), text(&title)),
        ("videocodecid".to_owned(), Value::Number(7.0)),
        ("audiocodecid".to_owned(), Value::Null),
    ]);
    let payload = values(&[text("@setDataFrame"), text("onMetaData"), data]);
    let events = client.send(kind::DATA_AMF0, 0, &payload).unwrap();
    let [Event::Metadata(metadata)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((metadata.video, metadata.audio), (true, false));
    let title = metadata.title.as_deref().unwrap();
    assert!(title.starts_with("Concert x"));
    assert_eq!(title.chars().count(), limits::TITLE_CHARACTERS);

    assert_eq!(client.send(kind::DATA_AMF0, 0, &values(&[text("onCuePoint"), Value::Null])), Ok(vec![]));
}

#[test]
fn a_configuration_is_passed_on_when_it_changes_and_samples_only_after_it() {
    let mut client = Client::publishing();
    assert_eq!(client.send(kind::AUDIO, 0, &[0xaf, 1, 7]), Ok(vec![]));
    let config = |bytes: &'static [u8]| Event::Media(MediaEvent::AudioConfig(Bytes::from_static(bytes)));
    assert_eq!(client.send(kind::AUDIO, 0, &[0xaf, 0, 1]), Ok(vec![config(&[1])]));
    assert_eq!(client.send(kind::AUDIO, 0, &[0xaf, 0, 1]), Ok(vec![]));
    assert_eq!(client.send(kind::AUDIO, 0, &[0xaf, 0, 2]), Ok(vec![config(&[2])]));
    assert_eq!(client.send(kind::AUDIO, 0, &[0xaf, 1, 7]).unwrap().len(), 1);
    assert_eq!(client.send(kind::VIDEO, 0, &[0x17, 1, 0, 0, 0, 7]), Ok(vec![]));
}

#[test]
fn an_unsupported_codec_is_named_to_the_publisher() {
    let mut client = Client::publishing();
    assert!(client.send(kind::VIDEO, 0, b"\x90hvc1\x01").is_err());
    let (code, description) = client.statuses().pop().unwrap();
    assert_eq!(code, "NetStream.Publish.Failed");
    assert!(description.contains("HEVC") && description.contains("-c:v libx264"), "{description}");
}

#[test]
fn pings_are_answered_and_windows_acknowledged() {
    let mut client = Client::publishing();
    client.answers();
    client.send(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]).unwrap();
    assert_eq!(client.answers()[0].payload[..], [0, 7, 1, 2, 3, 4]);

    client.send(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]).unwrap();
    client.send(kind::AUDIO, 0, &[0xaf; 100]).unwrap();
    assert_eq!(client.answers(), []);

    client.send(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0, 0, 0, 50]).unwrap();
    client.answers();
    client.send(kind::AUDIO, 0, &[0xaf; 100]).unwrap();
    let answers = client.answers();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].kind, kind::ACKNOWLEDGEMENT);
    assert_eq!(u64::from(message::control_number(&answers[0]).unwrap()), client.session.received);
}

#[test]
fn an_unauthenticated_peer_cannot_go_on_for_ever() {
    let mut client = Client::new();
    let result = (0..).find_map(|_| client.send(kind::ACKNOWLEDGEMENT, 0, &[0; 4]).err());
    assert_eq!(result, Some(SessionError::TooMuchBeforePublishing));
    assert!(client.session.received < 100_000);
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let mut client = Client::publishing();
    let result = (0..).find_map(|_| client.send(kind::USER_CONTROL, 0, &[0, 6, 0, 0, 0, 0]).err());
    assert_eq!(result, Some(SessionError::OutputNotTaken));
    assert!(client.session.buffered() < limits::OUTPUT + 1024);
}

proptest! {
    #[test]
    fn any_bytes_after_the_handshake_are_handled_within_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        step: u8,
        handshake: bool,
    ) {
        let mut input = vec![step];
        if handshake {
            input.push(3);
            input.resize(2 + 2 * handshake::PACKET, 0);
        }
        input.extend(bytes);
        exercise(&input);
    }

    /// Valid chunk headers around contents that are not.
    #[test]
    fn any_messages_of_a_publisher_are_handled_within_bounds(
        messages in prop::collection::vec(
            (0_u8..24, any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
    ) {
        let mut client = Client::publishing();
        for (kind, timestamp, payload) in messages {
            if client.send(kind, timestamp, &payload).is_err() {
                break;
            }
            client.session.take_output();
        }
    }
}
