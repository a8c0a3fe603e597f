use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// What a client remembers of a chunk stream.
#[derive(Clone, Copy)]
struct Sent {
    timestamp: u32,
    field: u32,
    length: usize,
    kind: u8,
    stream: u32,
}

/// Messages of one chunk stream, with the chunks that are still to be sent.
type Queue = VecDeque<(VecDeque<Vec<u8>>, Message)>;

/// The client's side: each message as the chunks it is sent in, with the shortest headers the specification allows.
#[derive(Default)]
struct Client {
    sent: HashMap<u32, Sent>,
}

impl Client {
    /// The chunks of a message. `repeat` says whether continuations carry the extended timestamp.
    fn chunks(&mut self, chunk_stream: u32, message: &Message, chunk_size: usize, repeat: bool) -> VecDeque<Vec<u8>> {
        let previous = self.sent.get(&chunk_stream).copied();
        let length = message.payload.len();
        let delta = previous.map(|previous| message.timestamp.wrapping_sub(previous.timestamp));
        let (format, field) = match (previous, delta) {
            (Some(previous), Some(delta)) if previous.stream == message.stream => {
                if (previous.length, previous.kind) != (length, message.kind) {
                    (1, delta)
                } else if previous.field != delta {
                    (2, delta)
                } else {
                    (3, delta)
                }
            }
            _ => (0, message.timestamp),
        };
        let sent = Sent { timestamp: message.timestamp, field, length, kind: message.kind, stream: message.stream };
        self.sent.insert(chunk_stream, sent);

        let extended = field >= EXTENDED;
        let mut chunks = VecDeque::new();
        let mut rest = &message.payload[..];
        let mut first = true;
        while first || !rest.is_empty() {
            let mut chunk = Vec::new();
            put_basic_header(&mut chunk, if first { format } else { 3 }, chunk_stream);
            if first && format < 3 {
                put_u24(&mut chunk, field.min(EXTENDED));
            }
            if first && format < 2 {
                put_u24(&mut chunk, length as u32);
                chunk.push(message.kind);
            }
            if first && format == 0 {
                chunk.extend(message.stream.to_le_bytes());
            }
            if extended && (first || repeat) {
                chunk.extend(field.to_be_bytes());
            }
            let (piece, after) = rest.split_at(rest.len().min(chunk_size));
            chunk.extend(piece);
            chunks.push_back(chunk);
            rest = after;
            first = false;
        }
        chunks
    }
}

fn put_basic_header(output: &mut Vec<u8>, format: u8, chunk_stream: u32) {
    match chunk_stream {
        2..64 => output.push(format << 6 | chunk_stream as u8),
        64..320 => output.extend([format << 6, (chunk_stream - 64) as u8]),
        _ => {
            output.push(format << 6 | 1);
            output.extend(((chunk_stream - 64) as u16).to_le_bytes());
        }
    }
}

fn read_all(reader: &mut ChunkReader, bytes: &[u8], step: usize) -> Result<Vec<Message>, ChunkError> {
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(step) {
        while let Some(message) = reader.read(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty());
    }
    Ok(messages)
}

fn message(kind: u8, timestamp: u32, payload: &[u8]) -> Message {
    Message { kind, timestamp, stream: 1, payload: Bytes::copy_from_slice(payload) }
}

fn any_message() -> impl Strategy<Value = (u32, Message)> {
    let timestamp = prop_oneof![0_u32..100, 0x00ff_fff0_u32..0x0100_0010, any::<u32>()];
    let chunk_stream = prop_oneof![Just(3_u32), Just(4), Just(64), Just(65_599)];
    let length = prop_oneof![Just(0_usize), Just(50), 0..600_usize];
    let kind = prop_oneof![Just(kind::AUDIO), Just(kind::VIDEO), Just(kind::COMMAND_AMF0)];
    (chunk_stream, kind, timestamp, 0_u32..2, length, any::<u8>()).prop_map(
        |(chunk_stream, kind, timestamp, stream, length, fill)| {
            (chunk_stream, Message { kind, timestamp, stream, payload: vec![fill; length].into() })
        },
    )
}

proptest! {
    /// All header types, extended timestamps, deltas that wrap, long and short ids, interleaved, in any pieces.
    #[test]
    fn interleaved_messages_arrive_as_sent(
        messages in prop::collection::vec(any_message(), 1..30),
        chunk_size in 1_usize..300,
        step in 1_usize..200,
        order in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let mut client = Client::default();
        let mut queues: Vec<(u32, Queue)> = Vec::new();
        for (chunk_stream, message) in &messages {
            let chunks = client.chunks(*chunk_stream, message, chunk_size, true);
            match queues.iter_mut().find(|(id, _)| id == chunk_stream) {
                Some((_, queue)) => queue.push_back((chunks, message.clone())),
                None => queues.push((*chunk_stream, VecDeque::from([(chunks, message.clone())]))),
            }
        }
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut order = order.iter().cycle();
        while !queues.is_empty() {
            let at = order.next().unwrap().index(queues.len());
            let queue = &mut queues[at].1;
            let (chunks, message) = queue.front_mut().unwrap();
            bytes.extend(chunks.pop_front().unwrap());
            if chunks.is_empty() {
                expected.push(message.clone());
                queue.pop_front();
            }
            if queue.is_empty() {
                queues.remove(at);
            }
        }
        let mut reader = ChunkReader::new();
        reader.set_chunk_size(chunk_size as u32).unwrap();
        prop_assert_eq!(read_all(&mut reader, &bytes, step), Ok(expected));
        prop_assert_eq!(reader.buffered(), 0);
    }

    #[test]
    fn our_own_messages_are_read_back(
        messages in prop::collection::vec(any_message(), 1..10),
        chunk_size in 1_u16..5000,
    ) {
        let mut writer = ChunkWriter::new();
        writer.set_chunk_size(chunk_size);
        let mut bytes = Vec::new();
        messages.iter().for_each(|(_, message)| writer.write(&mut bytes, 5, message));
        let mut reader = ChunkReader::new();
        reader.set_chunk_size(u32::from(chunk_size)).unwrap();
        let expected: Vec<Message> = messages.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(read_all(&mut reader, &bytes, 1000), Ok(expected));
    }

    #[test]
    fn any_bytes_stay_within_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..4000), step in 1_usize..100) {
        let mut reader = ChunkReader::new();
        for mut piece in bytes.chunks(step) {
            loop {
                let result = reader.read(&mut piece);
                prop_assert!(reader.buffered() <= limits::UNAUTHENTICATED_MESSAGES + LONGEST_HEADER);
                match result {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
        }
    }
}

#[test]
fn continuations_may_leave_the_extended_timestamp_out() {
    let sent = message(kind::VIDEO, 0x0123_4567, &[9; 300]);
    for (repeat, step) in [(true, 1), (true, 1000), (false, 1), (false, 1000)] {
        let chunks = Client::default().chunks(6, &sent, 128, repeat);
        let bytes: Vec<u8> = chunks.into_iter().flatten().collect();
        assert_eq!(read_all(&mut ChunkReader::new(), &bytes, step), Ok(vec![sent.clone()]), "repeat {repeat}");
    }
}

#[test]
fn payload_that_begins_like_the_extended_timestamp_is_told_apart() {
    let mut payload = vec![9; 128];
    payload.extend([0x01, 0x23, 0x45, 0x68, 5]);
    let sent = message(kind::VIDEO, 0x0123_4567, &payload);
    let bytes: Vec<u8> = Client::default().chunks(6, &sent, 128, false).into_iter().flatten().collect();
    for step in [1, 2, 3, 1000] {
        assert_eq!(read_all(&mut ChunkReader::new(), &bytes, step), Ok(vec![sent.clone()]));
    }
}

#[test]
fn continuations_may_repeat_the_absolute_time_instead_of_the_delta() {
    let mut client = Client::default();
    let first = message(kind::VIDEO, 5, &[1; 10]);
    let second = message(kind::VIDEO, 0x0200_0005, &[2; 200]);
    let mut bytes: Vec<u8> = client.chunks(6, &first, 128, true).into_iter().flatten().collect();
    let mut chunks = client.chunks(6, &second, 128, false);
    bytes.extend(chunks.pop_front().unwrap());
    let continuation = chunks.pop_front().unwrap();
    bytes.push(continuation[0]);
    bytes.extend(0x0200_0005_u32.to_be_bytes());
    bytes.extend(&continuation[1..]);
    assert_eq!(read_all(&mut ChunkReader::new(), &bytes, 7), Ok(vec![first, second]));
}

#[test]
fn an_aborted_message_is_forgotten() {
    let mut client = Client::default();
    let lost = message(kind::COMMAND_AMF0, 0, &[1; 200]);
    let kept = message(kind::COMMAND_AMF0, 0, &[2; 200]);
    let mut reader = ChunkReader::new();
    let first = client.chunks(3, &lost, 128, true).pop_front().unwrap();
    assert_eq!(read_all(&mut reader, &first, 1000), Ok(vec![]));
    assert_eq!(reader.buffered(), 200);
    reader.abort(9);
    reader.abort(3);
    assert_eq!(reader.buffered(), 0);
    let bytes: Vec<u8> = client.chunks(3, &kept, 128, true).into_iter().flatten().collect();
    assert_eq!(read_all(&mut reader, &bytes, 1000), Ok(vec![kept]));
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let check = |bytes: &[u8], expected: ChunkError| {
        assert_eq!(read_all(&mut ChunkReader::new(), bytes, 1000), Err(expected));
    };
    check(&[0xc3], ChunkError::NoPrecedingHeader(3));
    check(&[0x83, 0, 0, 0], ChunkError::NoPrecedingHeader(3));
    check(&[0x43, 0, 0, 0, 0, 0, 1, 20], ChunkError::NoPrecedingHeader(3));
    let begun: &[u8] = &[3, 0, 0, 0, 0, 0, 200, 20, 0, 0, 0, 0];
    let interrupted = [begun, &[0; 128], begun].concat();
    check(&interrupted, ChunkError::Interrupted(3));
    assert_eq!(ChunkReader::new().set_chunk_size(0), Err(ChunkError::ChunkSize(0)));
    assert_eq!(ChunkReader::new().set_chunk_size(1 << 31), Err(ChunkError::ChunkSize(1 << 31)));
}

#[test]
fn a_ping_response_may_open_the_control_chunk_stream_with_a_short_header() {
    let bytes = [0x42, 0, 0, 0, 0, 0, 6, 4, 0, 7, 0, 0, 0, 1];
    let expected = Message { stream: 0, ..message(kind::USER_CONTROL, 0, &bytes[8..]) };
    assert_eq!(read_all(&mut ChunkReader::new(), &bytes, 1000), Ok(vec![expected]));
}

#[test]
fn what_headers_declare_is_bounded_before_anything_is_reserved() {
    let header = |chunk_stream: u8, length: u32, kind: u8| {
        let mut bytes = vec![chunk_stream, 0, 0, 0];
        put_u24(&mut bytes, length);
        bytes.push(kind);
        bytes.extend([1, 0, 0, 0, 7]);
        bytes
    };
    let mut reader = ChunkReader::new();
    let too_long = ChunkError::MessageTooLong { kind: kind::VIDEO, declared: 9_000_000, allowed: 65_536 };
    assert_eq!(read_all(&mut reader, &header(6, 9_000_000, kind::VIDEO), 1000), Err(too_long));

    let mut reader = ChunkReader::new();
    reader.authenticate();
    let too_long = ChunkError::MessageTooLong { kind: kind::DATA_AMF0, declared: 70_000, allowed: 65_536 };
    assert_eq!(read_all(&mut reader, &header(6, 70_000, kind::DATA_AMF0), 1000), Err(too_long));

    let mut reader = ChunkReader::new();
    reader.authenticate();
    reader.set_chunk_size(1).unwrap();
    assert_eq!(read_all(&mut reader, &header(6, 5_000_000, kind::VIDEO), 1000), Ok(vec![]));
    let too_much = ChunkError::TooMuchInProgress { declared: 10_000_000, allowed: limits::MESSAGES };
    assert_eq!(read_all(&mut reader, &header(7, 5_000_000, kind::VIDEO), 1000), Err(too_much));

    let mut reader = ChunkReader::new();
    reader.set_chunk_size(1).unwrap();
    let many: Vec<u8> = (3..60).flat_map(|id| header(id, 100, kind::VIDEO)).collect();
    assert_eq!(read_all(&mut reader, &many, 1000), Err(ChunkError::TooManyChunkStreams));
}
