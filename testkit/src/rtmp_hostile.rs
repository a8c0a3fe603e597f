//! What a hostile or careless RTMP client sends: plain functions that return bytes to write to a node's RTMP port.
//!
//! A publisher's beginning is [`handshake`] + [`connect`] + [`publish`]; the rest goes where the names say. Nothing
//! here reads answers: a client may send all of it at once.

/// Message type ids (Adobe RTMP 1.0, §5.4 and §7.1).
const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
const USER_CONTROL: u8 = 4;
const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const DATA: u8 = 18;
const COMMAND: u8 = 20;

/// Chunk size of a client that has not set another.
const CHUNK_SIZE: usize = 128;

/// Length of C1 and C2.
const PACKET: usize = 1536;

/// C0, C1 and C2 of the simple handshake.
pub fn handshake() -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.resize(1 + 2 * PACKET, 0);
    bytes
}

/// `connect` to an application.
pub fn connect(app: &str) -> Vec<u8> {
    let mut payload = command("connect", 1.0);
    payload.push(0x03);
    for (name, value) in [("app", app), ("tcUrl", "rtmp://localhost/live")] {
        put_name(&mut payload, name);
        put_string(&mut payload, value);
    }
    payload.extend([0, 0, 0x09]);
    message(3, COMMAND, 0, 0, &payload, CHUNK_SIZE)
}

/// `createStream` and `publish` of a stream, written `NAME?key=KEY`.
pub fn publish(stream: &str) -> Vec<u8> {
    let mut create = command("createStream", 2.0);
    create.push(0x05);
    let mut publish = command("publish", 3.0);
    publish.push(0x05);
    put_string(&mut publish, stream);
    put_string(&mut publish, "live");
    let mut bytes = message(3, COMMAND, 0, 0, &create, CHUNK_SIZE);
    bytes.extend(message(3, COMMAND, 1, 0, &publish, CHUNK_SIZE));
    bytes
}

/// A whole beginning: handshake, `connect` to `live`, `publish`.
pub fn publisher(stream: &str) -> Vec<u8> {
    [handshake(), connect("live"), publish(stream)].concat()
}

/// `deleteStream`, which ends a publication.
pub fn unpublish() -> Vec<u8> {
    let mut payload = command("deleteStream", 4.0);
    payload.push(0x05);
    payload.push(0);
    payload.extend(1_f64.to_be_bytes());
    message(3, COMMAND, 0, 0, &payload, CHUNK_SIZE)
}

/// One message in chunks, with a full header. `timestamp` is extended where it has to be.
pub fn message(
    chunk_stream: u8,
    kind: u8,
    message_stream: u32,
    timestamp: u32,
    payload: &[u8],
    chunk_size: usize,
) -> Vec<u8> {
    let mut bytes = header(chunk_stream, kind, message_stream, timestamp, payload.len());
    for (index, piece) in payload.chunks(chunk_size.max(1)).enumerate() {
        if index > 0 {
            bytes.push(0xc0 | chunk_stream);
            if timestamp >= 0x00ff_ffff {
                bytes.extend(timestamp.to_be_bytes());
            }
        }
        bytes.extend(piece);
    }
    bytes
}

/// Bytes without meaning, always the same for a seed.
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        // xorshift64: any stream of numbers does.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push((state >> 32) as u8);
    }
    bytes
}

/// A valid handshake, then bytes without meaning.
pub fn random_after_handshake(seed: u64, length: usize) -> Vec<u8> {
    [handshake(), random_bytes(seed, length)].concat()
}

/// Handshakes that stop early: nothing, C0, parts of C1 and C2.
pub fn truncated_handshakes() -> Vec<Vec<u8>> {
    let whole = handshake();
    [0, 1, 2, 1000, PACKET, 1 + PACKET, 2 + PACKET, 2 * PACKET]
        .into_iter()
        .map(|length| whole[..length].to_vec())
        .collect()
}

/// A `connect` whose command object holds objects within objects. 200,000 of them take 800 kB.
pub fn amf0_nested(depth: usize) -> Vec<u8> {
    let mut payload = command("connect", 1.0);
    for _ in 0..depth {
        payload.extend([0x03, 0, 1, b'a']);
    }
    [handshake(), message(3, COMMAND, 0, 0, &payload, CHUNK_SIZE)].concat()
}

/// The same with strict arrays, within the length that any command may have.
pub fn amf0_nested_arrays() -> Vec<u8> {
    let mut payload = command("connect", 1.0);
    for _ in 0..10_000 {
        payload.extend([0x0a, 0, 0, 0, 1]);
    }
    [handshake(), message(3, COMMAND, 0, 0, &payload, CHUNK_SIZE)].concat()
}

/// A `connect` with as many nulls after it.
pub fn amf0_nulls(count: usize) -> Vec<u8> {
    let mut payload = command("connect", 1.0);
    payload.resize(payload.len() + count, 0x05);
    [handshake(), message(3, COMMAND, 0, 0, &payload, CHUNK_SIZE)].concat()
}

/// Metadata with as many nulls, from one who publishes already.
pub fn metadata_nulls(count: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    put_string(&mut payload, "@setDataFrame");
    put_string(&mut payload, "onMetaData");
    payload.resize(payload.len() + count, 0x05);
    message(4, DATA, 1, 0, &payload, CHUNK_SIZE)
}

/// As many chunk streams, each with the first chunk of a video message that declares `declared` bytes. To be sent
/// after [`handshake`] or [`publisher`].
pub fn chunk_streams_declaring(count: u16, declared: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0..count {
        let full = header(0, VIDEO, 1, 0, declared);
        // Ids from 64 in the long form, so that there is room for any number.
        bytes.push(0x01);
        bytes.extend(index.to_le_bytes());
        bytes.extend(&full[1..]);
        bytes.extend([0x17; CHUNK_SIZE]);
    }
    bytes
}

/// A video message that declares `declared` bytes and stops after `sent`. To be sent after [`handshake`] or
/// [`publisher`].
pub fn half_sent_message(declared: usize, sent: usize) -> Vec<u8> {
    let whole = message(6, VIDEO, 1, 0, &vec![0x17; sent], CHUNK_SIZE);
    let mut bytes = header(6, VIDEO, 1, 0, declared);
    bytes.extend(&whole[12..]);
    bytes
}

/// A valid publisher whose audio and video messages come in chunks that take turns, between them one that is aborted.
/// Nothing in it is to be refused.
pub fn interleaved_chunk_streams() -> Vec<u8> {
    let mut video = vec![0x17, 1, 0, 0, 0];
    video.resize(5 + 1000, 0x65);
    let mut audio = vec![0xaf, 1];
    audio.resize(2 + 1000, 0x21);
    let mut bytes = message(6, VIDEO, 1, 0, &[0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0], CHUNK_SIZE);
    bytes.extend(message(4, AUDIO, 1, 0, &[0xaf, 0, 0x12, 0x10], CHUNK_SIZE));
    bytes.extend(message(7, AUDIO, 1, 0, &[0xaf; 500], CHUNK_SIZE)[..12 + CHUNK_SIZE].to_vec());
    bytes.extend(header(6, VIDEO, 1, 40, video.len()));
    bytes.extend(&video[..CHUNK_SIZE]);
    bytes.extend(header(4, AUDIO, 1, 41, audio.len()));
    bytes.extend(&audio[..CHUNK_SIZE]);
    bytes.extend(message(2, ABORT, 0, 0, &7_u32.to_be_bytes(), CHUNK_SIZE));
    for (video, audio) in video[CHUNK_SIZE..].chunks(CHUNK_SIZE).zip(audio[CHUNK_SIZE..].chunks(CHUNK_SIZE)) {
        bytes.push(0xc0 | 6);
        bytes.extend(video);
        bytes.push(0xc0 | 4);
        bytes.extend(audio);
    }
    bytes
}

/// A window acknowledgement size of 0, then of 1, and media to acknowledge.
pub fn window_acknowledgement_zero() -> Vec<u8> {
    let mut bytes = message(2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, 0, &[0; 4], CHUNK_SIZE);
    bytes.extend(message(4, AUDIO, 1, 0, &[0xaf, 1, 0, 0], CHUNK_SIZE));
    bytes.extend(message(2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, 0, &[0, 0, 0, 1], CHUNK_SIZE));
    bytes.extend(message(4, AUDIO, 1, 0, &[0xaf, 1, 0, 0], CHUNK_SIZE).repeat(100));
    bytes
}

/// Audio and video at times around 2²⁴ and 2³², where timestamps are extended and wrap, in chunks of the default
/// size. Nothing in it is to be refused.
pub fn extended_timestamps() -> Vec<u8> {
    let mut frame = vec![0x17, 1, 0, 0, 0];
    frame.resize(400, 0x65);
    let mut bytes = message(6, VIDEO, 1, 0, &[0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0], CHUNK_SIZE);
    for timestamp in [0x00ff_fffe, 0x00ff_ffff, 0x0100_0000, 0xffff_fff0, 0xffff_ffff, 0, 5] {
        bytes.extend(message(6, VIDEO, 1, timestamp, &frame, CHUNK_SIZE));
    }
    // A delta that is extended, and its repetition in a header of type 3 that begins a message.
    bytes.extend([0x80 | 6, 0xff, 0xff, 0xff, 0x01, 0, 0, 0]);
    for (index, piece) in frame.chunks(CHUNK_SIZE).enumerate() {
        if index > 0 {
            bytes.extend([0xc0 | 6, 0x01, 0, 0, 0]);
        }
        bytes.extend(piece);
    }
    for piece in frame.chunks(CHUNK_SIZE) {
        bytes.extend([0xc0 | 6, 0x01, 0, 0, 0]);
        bytes.extend(piece);
    }
    bytes
}

/// Control messages that make no sense: chunk sizes of 0 and above the limit, short ones, unknown user events.
/// Each is for a connection of its own, after [`handshake`].
pub fn bad_control_messages() -> Vec<Vec<u8>> {
    vec![
        message(2, SET_CHUNK_SIZE, 0, 0, &[0; 4], CHUNK_SIZE),
        message(2, SET_CHUNK_SIZE, 0, 0, &[0xff; 4], CHUNK_SIZE),
        message(2, SET_CHUNK_SIZE, 0, 0, &[1], CHUNK_SIZE),
        message(2, ABORT, 0, 0, &[], CHUNK_SIZE),
        message(2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, 0, &[1, 2], CHUNK_SIZE),
        message(2, USER_CONTROL, 0, 0, &[0xff; 2], CHUNK_SIZE),
    ]
}

/// Pings without end, whose answers nobody reads.
pub fn pings(count: usize) -> Vec<u8> {
    message(2, USER_CONTROL, 0, 0, &[0, 6, 0, 0, 0, 1], CHUNK_SIZE).repeat(count)
}

fn header(chunk_stream: u8, kind: u8, message_stream: u32, timestamp: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![chunk_stream];
    put_u24(&mut bytes, timestamp.min(0x00ff_ffff));
    put_u24(&mut bytes, u32::try_from(length).unwrap_or(u32::MAX).min(0x00ff_ffff));
    bytes.push(kind);
    bytes.extend(message_stream.to_le_bytes());
    if timestamp >= 0x00ff_ffff {
        bytes.extend(timestamp.to_be_bytes());
    }
    bytes
}

fn command(name: &str, transaction: f64) -> Vec<u8> {
    let mut payload = Vec::new();
    put_string(&mut payload, name);
    payload.push(0);
    payload.extend(transaction.to_be_bytes());
    payload
}

fn put_string(output: &mut Vec<u8>, text: &str) {
    output.push(0x02);
    put_name(output, text);
}

fn put_name(output: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    output.extend(length.to_be_bytes());
    output.extend(&text.as_bytes()[..usize::from(length)]);
}

fn put_u24(output: &mut Vec<u8>, value: u32) {
    output.extend(&value.to_be_bytes()[1..]);
}
