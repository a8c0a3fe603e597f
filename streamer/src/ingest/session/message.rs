//! Messages by their type: ids, the commands of a publisher, and our answers.

use bytes::{Buf, Bytes};

use super::amf0::{self, AmfError, Value};
use super::chunk::Message;

/// Message type ids (Adobe RTMP 1.0, §5.4 and §7.1).
pub(super) mod kind {
    pub(in super::super) const SET_CHUNK_SIZE: u8 = 1;
    pub(in super::super) const ABORT: u8 = 2;
    pub(in super::super) const ACKNOWLEDGEMENT: u8 = 3;
    pub(in super::super) const USER_CONTROL: u8 = 4;
    pub(in super::super) const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
    pub(in super::super) const SET_PEER_BANDWIDTH: u8 = 6;
    pub(in super::super) const AUDIO: u8 = 8;
    pub(in super::super) const VIDEO: u8 = 9;
    pub(in super::super) const DATA_AMF3: u8 = 15;
    pub(in super::super) const COMMAND_AMF3: u8 = 17;
    pub(in super::super) const DATA_AMF0: u8 = 18;
    pub(in super::super) const COMMAND_AMF0: u8 = 20;
    pub(in super::super) const AGGREGATE: u8 = 22;
}

/// User control events (§7.1.7).
pub(super) mod user_control {
    pub(in super::super) const STREAM_BEGIN: u16 = 0;
    pub(in super::super) const PING_REQUEST: u16 = 6;
    pub(in super::super) const PING_RESPONSE: u16 = 7;
}

/// A command message (§7.2): name, transaction, command object and what follows.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) transaction: f64,
    pub(super) object: Value,
    pub(super) arguments: Vec<Value>,
}

impl Command {
    /// Reads a command. Values that are missing read as undefined.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, AmfError> {
        let mut values = amf0::parse(payload)?.into_iter();
        let name = match values.next() {
            Some(Value::String(name)) => name,
            _ => String::new(),
        };
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or_default();
        let object = values.next().unwrap_or(Value::Undefined);
        Ok(Self { name, transaction, object, arguments: values.collect() })
    }

    /// The stream name argument of `publish` and the like.
    pub(super) fn text_argument(&self, index: usize) -> Option<&str> {
        self.arguments.get(index)?.as_str()
    }
}

/// The AMF0 values of a command or data message; in AMF3 messages a byte goes before them, which says with 0 that
/// AMF0 follows (§7.1.1), as all encoders that use these types write it.
pub(super) fn amf0_payload(message: &Message) -> Result<&[u8], AmfError> {
    if !matches!(message.kind, kind::COMMAND_AMF3 | kind::DATA_AMF3) {
        return Ok(&message.payload);
    }
    match message.payload.split_first() {
        Some((0, rest)) => Ok(rest),
        Some((&other, _)) => Err(AmfError::Marker(other)),
        None => Err(AmfError::Truncated),
    }
}

/// A four-byte number at the front of a protocol control message.
pub(super) fn control_number(message: &Message) -> Option<u32> {
    message.payload.as_ref().try_get_u32().ok()
}

/// What metadata says of a publication: the `onMetaData` object (FLV specification, annex E.5).
pub(super) fn metadata_object(payload: &[u8]) -> Result<Option<Value>, AmfError> {
    let mut values = amf0::parse(payload)?.into_iter().peekable();
    values.next_if(|value| value.as_str() == Some("@setDataFrame"));
    match values.next() {
        Some(Value::String(name)) if name == "onMetaData" => Ok(values.next()),
        _ => Ok(None),
    }
}

fn control(kind: u8, payload: Vec<u8>) -> Message {
    Message { kind, timestamp: 0, stream: 0, payload: Bytes::from(payload) }
}

pub(super) fn set_chunk_size(size: u16) -> Message {
    control(kind::SET_CHUNK_SIZE, u32::from(size).to_be_bytes().to_vec())
}

pub(super) fn acknowledgement(received: u32) -> Message {
    control(kind::ACKNOWLEDGEMENT, received.to_be_bytes().to_vec())
}

pub(super) fn window_acknowledgement_size(size: u32) -> Message {
    control(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, size.to_be_bytes().to_vec())
}

/// With the limit type *dynamic* (§5.4.5).
pub(super) fn set_peer_bandwidth(size: u32) -> Message {
    let mut payload = size.to_be_bytes().to_vec();
    payload.push(2);
    control(kind::SET_PEER_BANDWIDTH, payload)
}

pub(super) fn user_control(event: u16, data: u32) -> Message {
    let mut payload = event.to_be_bytes().to_vec();
    payload.extend_from_slice(&data.to_be_bytes());
    control(kind::USER_CONTROL, payload)
}

/// A command of ours.
pub(super) fn command(stream: u32, name: &str, transaction: f64, values: &[Value]) -> Message {
    let mut payload = Vec::new();
    amf0::write(&mut payload, &Value::String(name.to_owned()));
    amf0::write(&mut payload, &Value::Number(transaction));
    values.iter().for_each(|value| amf0::write(&mut payload, value));
    Message { kind: kind::COMMAND_AMF0, timestamp: 0, stream, payload: Bytes::from(payload) }
}

/// The information object of `onStatus`, `_result` and `_error` (§7.2.2).
pub(super) fn information(level: &str, code: &str, description: &str) -> Vec<(String, Value)> {
    [("level", level), ("code", code), ("description", description)]
        .map(|(name, text)| (name.to_owned(), Value::String(text.to_owned())))
        .to_vec()
}

/// `onStatus` of a message stream.
pub(super) fn on_status(stream: u32, level: &str, code: &str, description: &str) -> Message {
    command(stream, "onStatus", 0.0, &[Value::Null, Value::Object(information(level, code, description))])
}
