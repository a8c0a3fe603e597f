//! One publisher's RTMP session, without I/O: bytes in, [`Event`]s and bytes out.
//!
//! It owns the handshake, chunk streams, commands and the unpacking of media. Whether a [`PublishRequest`] is let in
//! is decided outside; what is not a publisher's is refused here. It never waits, knows no time, and holds no more
//! than its limits allow, whatever is sent. Its wire format is in `docs/protocol/rtmp.md`.

mod amf0;
mod chunk;
mod error;
mod flv;
mod handshake;
mod limits;
mod message;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use stream_model::{StreamKey, StreamName};

pub use self::amf0::AmfError;
pub use self::chunk::ChunkError;
pub use self::error::SessionError;
pub use self::flv::Codec;
pub use self::handshake::S1_RANDOM;

use self::amf0::Value;
use self::chunk::{ChunkReader, ChunkWriter, Message};
use self::flv::Tag;
use self::handshake::Handshake;
use self::message::{Command, kind, user_control};
use crate::media::{MediaEvent, Sample, TrackKind};

/// The application that publishers connect to: `rtmp://NODE/live/NAME`.
const APP: &str = "live";

/// The message stream that `createStream` returns. There is one publication to a connection, so one is enough.
const MESSAGE_STREAM: u32 = 1;

/// How many bytes a publisher sends before it wants to hear how many arrived (§5.4.4): what other servers say.
const WINDOW: u32 = 2_500_000;

/// Size of our chunks (§5.4.1): all our messages fit in one.
const CHUNK_SIZE: u16 = 4096;

/// Chunk streams for control messages (§5.3.2) and, by custom, for commands and for a message stream's status.
const CONTROL: u8 = 2;
const COMMANDS: u8 = 3;
const STATUS: u8 = 5;

/// Somebody asks to publish. Nothing more is read until [`Session::accept`] or [`Session::reject`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The application it connected to.
    pub app: String,
    /// The stream name.
    pub name: StreamName,
    /// The stream key, where it sent one.
    pub key: Option<StreamKey>,
}

/// What a publisher says of its publication before or between media (`onMetaData`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its title, cut to what [`Publication`](crate::media::Publication) allows, without control characters.
    pub title: Option<String>,
    /// Whether it names a video codec or size.
    pub video: bool,
    /// Whether it names an audio codec.
    pub audio: bool,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Decide with [`Session::accept`] or [`Session::reject`].
    PublishRequest(PublishRequest),
    /// Of an accepted publisher.
    Metadata(Metadata),
    /// Of an accepted publisher: configuration or sample. Never `Expect` or `Lost`.
    Media(MediaEvent),
    /// The publisher ended its publication. Nothing comes after it.
    Unpublish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshake,
    /// Awaiting `connect`, then `publish`.
    Connecting {
        connected: bool,
    },
    /// A request is being decided.
    Deciding,
    Publishing,
    /// Rejected, failed or unpublished: only output is left.
    Finished,
}

/// A session. After an error only [`Session::take_output`] is of use: it may hold a last word to the publisher.
#[derive(Debug)]
pub struct Session {
    state: State,
    handshake: Option<Handshake>,
    reader: ChunkReader,
    writer: ChunkWriter,
    output: Vec<u8>,
    /// The key in the query of `app` or `tcUrl`.
    connect_key: Option<StreamKey>,
    /// Bytes received since the handshake began.
    received: u64,
    /// `received` at the latest acknowledgement.
    acknowledged: u64,
    /// The peer's window, where it has set one.
    window: Option<u32>,
    video_config: Option<Bytes>,
    audio_config: Option<Bytes>,
}

impl Session {
    /// A session before its first byte, with random bytes for S1 of the handshake.
    pub fn new(s1_random: &[u8; S1_RANDOM]) -> Self {
        Self {
            state: State::Handshake,
            handshake: Some(Handshake::new(s1_random)),
            reader: ChunkReader::new(),
            writer: ChunkWriter::new(),
            output: Vec::new(),
            connect_key: None,
            received: 0,
            acknowledged: 0,
            window: None,
            video_config: None,
            audio_config: None,
        }
    }

    /// Takes bytes from the front of `input` until something happens. Call it until it returns `None`: then `input`
    /// is empty, or a request is waiting for its answer. Take the output after each call.
    ///
    /// # Errors
    /// [`SessionError`] where the peer breaks the protocol or a limit, or sends what is not carried on.
    pub fn handle_input(&mut self, input: &mut &[u8]) -> Result<Option<Event>, SessionError> {
        let result = self.step(input);
        if let Err(error) = &result {
            self.tell(error);
            self.close();
        }
        result
    }

    /// Lets the publisher in.
    pub fn accept(&mut self) {
        if self.state != State::Deciding {
            return;
        }
        self.state = State::Publishing;
        self.reader.authenticate();
        self.send(CONTROL, &message::user_control(user_control::STREAM_BEGIN, MESSAGE_STREAM));
        let status = message::on_status(MESSAGE_STREAM, "status", "NetStream.Publish.Start", "publishing");
        self.send(STATUS, &status);
    }

    /// Refuses a publisher, or ends its publication, with `NetStream.Publish.BadName` and the reason. The connection
    /// is to be closed once the output is sent.
    pub fn reject(&mut self, description: &str) {
        self.finish("NetStream.Publish.BadName", description);
    }

    /// Ends a publication for a reason that is not the publisher's, with `NetStream.Publish.Failed`. The connection is
    /// to be closed once the output is sent. Says nothing to a peer that has not asked to publish.
    pub fn fail(&mut self, description: &str) {
        self.finish("NetStream.Publish.Failed", description);
    }

    /// Bytes to send.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether the publisher was let in and has not ended.
    pub fn is_publishing(&self) -> bool {
        self.state == State::Publishing
    }

    /// Bytes held for the peer: unfinished messages and handshake, and output not yet taken.
    pub fn buffered(&self) -> usize {
        let handshake = self.handshake.as_ref().map_or(0, Handshake::buffered);
        self.reader.buffered() + handshake + self.output.len()
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<Event>, SessionError> {
        loop {
            let before = input.len();
            let event = match self.state {
                State::Finished => return Err(SessionError::Finished),
                State::Deciding => return Ok(None),
                State::Handshake => {
                    self.shake_hands(input)?;
                    None
                }
                State::Connecting { .. } | State::Publishing => match self.reader.read(input)? {
                    Some(message) => {
                        self.count(before - input.len())?;
                        let event = self.handle_message(message)?;
                        if event.is_none() && !input.is_empty() {
                            continue;
                        }
                        return Ok(event);
                    }
                    None => None,
                },
            };
            self.count(before - input.len())?;
            if event.is_some() || input.is_empty() {
                return Ok(event);
            }
        }
    }

    fn shake_hands(&mut self, input: &mut &[u8]) -> Result<(), SessionError> {
        let complete = match &mut self.handshake {
            Some(handshake) => handshake.handle(input, &mut self.output)?,
            None => true,
        };
        if complete {
            self.handshake = None;
            self.state = State::Connecting { connected: false };
        }
        Ok(())
    }

    /// Counts what was read, acknowledges it where the peer asked for that, and bounds both directions.
    fn count(&mut self, bytes: usize) -> Result<(), SessionError> {
        self.received = self.received.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let handshake = 1 + 2 * handshake::PACKET as u64;
        if matches!(self.state, State::Connecting { .. }) && self.received > handshake + limits::UNAUTHENTICATED_BYTES {
            return Err(SessionError::TooMuchBeforePublishing);
        }
        // A window of 0 asks for nothing.
        if let Some(window) = self.window.filter(|window| *window > 0)
            && self.received - self.acknowledged >= u64::from(window)
        {
            self.acknowledged = self.received;
            // The sequence number wraps at 2³² (§5.4.3).
            let sequence_number = (self.received & u64::from(u32::MAX)) as u32;
            self.send(CONTROL, &message::acknowledgement(sequence_number));
        }
        if self.output.len() > limits::OUTPUT {
            return Err(SessionError::OutputNotTaken);
        }
        Ok(())
    }

    fn handle_message(&mut self, message: Message) -> Result<Option<Event>, SessionError> {
        match message.kind {
            kind::SET_CHUNK_SIZE => {
                let size = message::control_number(&message).ok_or(SessionError::MalformedControl(message.kind))?;
                self.reader.set_chunk_size(size)?;
            }
            kind::ABORT => {
                let id = message::control_number(&message).ok_or(SessionError::MalformedControl(message.kind))?;
                self.reader.abort(id);
            }
            kind::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                let size = message::control_number(&message).ok_or(SessionError::MalformedControl(message.kind))?;
                self.window = Some(size);
            }
            kind::USER_CONTROL => self.handle_user_control(&message.payload),
            // The peer's acknowledgements and bandwidth matter to one who sends media.
            kind::ACKNOWLEDGEMENT | kind::SET_PEER_BANDWIDTH => {}
            kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => {
                let command = Command::parse(message::amf0_payload(&message)?)?;
                return self.handle_command(&command);
            }
            kind::DATA_AMF0 | kind::DATA_AMF3 if self.is_publishing() => {
                let object = message::metadata_object(message::amf0_payload(&message)?)?;
                return Ok(object.map(|object| Event::Metadata(read_metadata(&object))));
            }
            kind::VIDEO if self.is_publishing() => {
                let tag = flv::video(message.payload)?;
                return Ok(self.handle_tag(TrackKind::Video, message.timestamp, tag));
            }
            kind::AUDIO if self.is_publishing() => {
                let tag = flv::audio(message.payload)?;
                return Ok(self.handle_tag(TrackKind::Audio, message.timestamp, tag));
            }
            kind::AGGREGATE if self.is_publishing() => return Err(SessionError::Aggregate),
            // Shared objects and what later versions may bring.
            _ => {}
        }
        Ok(None)
    }

    fn handle_user_control(&mut self, payload: &[u8]) {
        let Some((event, data)) = payload.split_first_chunk() else { return };
        let Some(data) = data.first_chunk() else { return };
        if u16::from_be_bytes(*event) == user_control::PING_REQUEST {
            self.send(CONTROL, &message::user_control(user_control::PING_RESPONSE, u32::from_be_bytes(*data)));
        }
    }

    fn handle_command(&mut self, command: &Command) -> Result<Option<Event>, SessionError> {
        match (command.name.as_str(), self.state) {
            ("connect", State::Connecting { connected: false }) => self.handle_connect(command)?,
            ("connect", _) => return Err(SessionError::OutOfOrder("connect")),
            ("releaseStream" | "FCPublish", _) => self.send_result(command.transaction, Value::Undefined),
            ("createStream", _) => {
                self.send_result(command.transaction, Value::Number(f64::from(MESSAGE_STREAM)));
            }
            ("publish", State::Connecting { connected: true }) => return self.handle_publish(command).map(Some),
            ("publish", _) => return Err(SessionError::OutOfOrder("publish")),
            ("FCUnpublish" | "deleteStream" | "closeStream", State::Publishing) => {
                self.send_status("status", "NetStream.Unpublish.Success", "unpublished");
                self.close();
                return Ok(Some(Event::Unpublish));
            }
            ("play" | "play2", _) => return Err(SessionError::Play),
            // Bandwidth checks and the like: those who ask do without an answer.
            _ => {}
        }
        Ok(None)
    }

    fn handle_connect(&mut self, command: &Command) -> Result<(), SessionError> {
        let text = |name| command.object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (app, query) = split_query(text("app"));
        let app = app.trim_matches('/');
        if app != APP {
            let error = SessionError::UnknownApp(app.chars().take(64).collect());
            let information = message::information("error", "NetConnection.Connect.Rejected", &error.to_string());
            let values = [Value::Null, Value::Object(information)];
            self.send(COMMANDS, &message::command(0, "_error", command.transaction, &values));
            return Err(error);
        }
        self.connect_key = key_in(query).or_else(|| key_in(split_query(text("tcUrl")).1));
        self.state = State::Connecting { connected: true };

        self.send(CONTROL, &message::window_acknowledgement_size(WINDOW));
        self.send(CONTROL, &message::set_peer_bandwidth(WINDOW));
        self.send(CONTROL, &message::set_chunk_size(CHUNK_SIZE));
        self.writer.set_chunk_size(CHUNK_SIZE);
        let server = vec![
            // What clients look for here are the capabilities of Flash Media Server 3.
            ("fmsVer".to_owned(), Value::String("FMS/3,0,1,123".to_owned())),
            ("capabilities".to_owned(), Value::Number(31.0)),
        ];
        let mut information = message::information("status", "NetConnection.Connect.Success", "connected");
        information.push(("objectEncoding".to_owned(), Value::Number(0.0)));
        let values = [Value::Object(server), Value::Object(information)];
        self.send(COMMANDS, &message::command(0, "_result", command.transaction, &values));
        Ok(())
    }

    fn handle_publish(&mut self, command: &Command) -> Result<Event, SessionError> {
        let (name, query) = split_query(command.text_argument(0).unwrap_or_default());
        let name: StreamName = name.parse().map_err(|_| SessionError::BadStreamName)?;
        let key = key_in(query).or_else(|| self.connect_key.take());
        self.state = State::Deciding;
        Ok(Event::PublishRequest(PublishRequest { app: APP.to_owned(), name, key }))
    }

    fn handle_tag(&mut self, track: TrackKind, timestamp: u32, tag: Tag) -> Option<Event> {
        let config = match track {
            TrackKind::Video => &mut self.video_config,
            TrackKind::Audio => &mut self.audio_config,
        };
        let event = match tag {
            Tag::Nothing => return None,
            // Encoders repeat it; only a change means something.
            Tag::Config(record) if config.as_ref() == Some(&record) => return None,
            Tag::Config(record) => {
                // The copy keeps the message it came in from being held as long as the session.
                *config = Some(Bytes::copy_from_slice(&record));
                match track {
                    TrackKind::Video => MediaEvent::VideoConfig(record),
                    TrackKind::Audio => MediaEvent::AudioConfig(record),
                }
            }
            Tag::Frame { .. } if config.is_none() => return None,
            Tag::Frame { composition_offset, keyframe, data } => {
                MediaEvent::Sample(Sample { track, timestamp, composition_offset, keyframe, data })
            }
        };
        Some(Event::Media(event))
    }

    /// Tells the peer why, where it is one that understands.
    fn tell(&mut self, error: &SessionError) {
        match error {
            SessionError::UnsupportedCodec { .. } | SessionError::Aggregate => {
                self.send_status("error", "NetStream.Publish.Failed", &error.to_string());
            }
            SessionError::BadStreamName => {
                self.send_status("error", "NetStream.Publish.BadName", &error.to_string());
            }
            SessionError::Play => self.send_status("error", "NetStream.Play.Failed", &error.to_string()),
            _ => {}
        }
    }

    fn finish(&mut self, code: &str, description: &str) {
        if matches!(self.state, State::Deciding | State::Publishing) {
            self.send_status("error", code, description);
        }
        self.close();
    }

    /// Reads nothing any more and lets go of what was read.
    fn close(&mut self) {
        self.state = State::Finished;
        self.reader = ChunkReader::new();
        self.handshake = None;
    }

    fn send_status(&mut self, level: &str, code: &str, description: &str) {
        self.send(STATUS, &message::on_status(MESSAGE_STREAM, level, code, description));
    }

    fn send_result(&mut self, transaction: f64, value: Value) {
        self.send(COMMANDS, &message::command(0, "_result", transaction, &[Value::Null, value]));
    }

    fn send(&mut self, chunk_stream: u8, message: &Message) {
        self.writer.write(&mut self.output, chunk_stream, message);
    }
}

/// Splits `name?query`.
fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// The value of `key` in a query, where it is not empty.
fn key_in(query: &str) -> Option<StreamKey> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    (!value.is_empty()).then(|| StreamKey::new(value))
}

fn read_metadata(object: &Value) -> Metadata {
    let has = |name| !matches!(object.get(name), None | Some(Value::Null | Value::Undefined));
    let title = object.get("title").and_then(Value::as_str).map(|title| {
        let printable = title.trim().chars().filter(|character| !character.is_control());
        printable.take(limits::TITLE_CHARACTERS).collect::<String>()
    });
    Metadata {
        title: title.filter(|title| !title.is_empty()),
        video: has("videocodecid") || has("width"),
        audio: has("audiocodecid"),
    }
}

/// Runs a whole session over `input`, for fuzzing and for replaying its corpus: the first byte says how long the
/// pieces are that the rest arrives in, the publisher is let in when it asks, and the bounds are asserted.
///
/// # Panics
/// Where a bound does not hold.
#[doc(hidden)]
pub fn exercise(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else { return };
    let mut session = Session::new(&[0; S1_RANDOM]);
    for mut piece in bytes.chunks(usize::from(step).max(1) * 16) {
        loop {
            let result = session.handle_input(&mut piece);
            let bound = if session.is_publishing() { limits::MESSAGES } else { limits::UNAUTHENTICATED_MESSAGES };
            let bound = bound + limits::OUTPUT + 2 * handshake::PACKET + 8 * 1024;
            assert!(session.buffered() <= bound, "{} bytes held", session.buffered());
            match result {
                Ok(Some(Event::PublishRequest(_))) => session.accept(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(piece.is_empty(), "input was left over");
        session.take_output();
    }
}
