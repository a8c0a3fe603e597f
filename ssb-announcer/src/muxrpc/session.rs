//! Which calls are open on a connection, in both directions, and what packets mean for them. Pure.
//!
//! In: packets of the peer, and what we want to say. Out: [`Event`]s for the connection, packets for the peer. It
//! bounds how many calls the peer may have open; it does not know what methods do.
//!
//! Source: Scuttlebutt Protocol Guide, "RPC protocol"; npm `packet-stream`, `muxrpc`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::packet::{Encoding, Packet, RequestNumber};
use crate::nesting::{MAX_NESTING, nesting};

/// The most calls a peer may have open at once. A peer without EBT keeps one open for each feed that it follows, up to
/// [`MAX_SERVED`](crate::replication::history::serving::MAX_SERVED); the rest is room for replication, pings, blobs and
/// short questions. Each costs some 30 bytes here.
pub const MAX_OPEN: usize = 576;
/// The most bytes of a call's body: a name and a few options.
pub const MAX_CALL: usize = 16 * 1024;
/// Request numbers that a peer left out and may still use: programs with threads number their calls in one order and send
/// them in another.
const MAX_LEFT_OUT: usize = 64;
/// How much of an error's text is kept.
const MAX_ERROR_TEXT: usize = 200;

/// A substream: the request number as it stands in the packets that *we* send. Positive where we called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubstreamId(RequestNumber);

/// The kind of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// One answer.
    Async,
    /// A stream from the one that was called.
    Source,
    /// A stream to the one that was called.
    Sink,
    /// A stream in both directions.
    Duplex,
}

impl CallKind {
    fn is_stream(self) -> bool {
        !matches!(self, Self::Async)
    }

    /// As it stands in a call.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Duplex => "duplex",
        }
    }
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method's name, for example `["ebt", "replicate"]`.
    pub name: Vec<String>,
    /// Its kind.
    pub kind: CallKind,
    /// Its arguments.
    pub args: Vec<Value>,
}

/// What a packet meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer calls a method.
    Called(SubstreamId, Call),
    /// Something arrived on an open substream, or the answer to an async call.
    Data(SubstreamId, Bytes),
    /// The peer ended a substream, with an error if there is a text.
    Ended(SubstreamId, Option<String>),
    /// The peer has too many calls open, or this one is not understood: send the packet, nothing else happened.
    Refused(Packet),
    /// Nothing that matters: a late packet of a substream that is closed.
    Ignored,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A request number that has no negative.
    #[error("the peer used a request number out of range")]
    RequestNumber,
    /// We made more calls than a connection has numbers for.
    #[error("no request numbers are left on this connection")]
    Exhausted,
}

#[derive(Debug)]
struct Open {
    kind: CallKind,
    ended_here: bool,
    ended_there: bool,
}

impl Open {
    fn new(kind: CallKind) -> Self {
        Self { kind, ended_here: false, ended_there: false }
    }
}

/// The calls of one connection.
#[derive(Debug, Default)]
pub struct Session {
    open: BTreeMap<SubstreamId, Open>,
    our_last: RequestNumber,
    their_last: RequestNumber,
    /// Numbers below [`Self::their_last`] that the peer has not used.
    left_out: BTreeSet<RequestNumber>,
}

impl Session {
    /// Calls a method of the peer: the substream, and the packet to send.
    ///
    /// # Errors
    /// [`SessionError::Exhausted`] after two thousand million calls.
    pub fn call(&mut self, call: &Call) -> Result<(SubstreamId, Packet), SessionError> {
        self.our_last = self.our_last.checked_add(1).ok_or(SessionError::Exhausted)?;
        let id = SubstreamId(self.our_last);
        self.open.insert(id, Open::new(call.kind));
        let body = json!({ "name": call.name, "args": call.args, "type": call.kind.as_str() });
        Ok((id, packet(id, call.kind.is_stream(), false, &body)))
    }

    /// A packet with data for an open substream, or the answer to an async call, which closes it. `None` where it is
    /// not open for us.
    pub fn data(&mut self, id: SubstreamId, encoding: Encoding, body: Bytes) -> Option<Packet> {
        let open = self.open.get(&id).filter(|open| !open.ended_here)?;
        let stream = open.kind.is_stream();
        if !stream {
            self.open.remove(&id);
        }
        Some(Packet { request: id.0, stream, end: false, encoding, body })
    }

    /// The packet that ends our direction of a substream, with an error where there is a text.
    pub fn end(&mut self, id: SubstreamId, error: Option<&str>) -> Option<Packet> {
        let open = self.open.get_mut(&id).filter(|open| !open.ended_here)?;
        let kind = open.kind;
        open.ended_here = true;
        // Of a source that is at its end, and of what was refused, nothing that matters can come but the peer's own end,
        // which not every peer sends.
        let nothing_to_come = id.0 < 0 && (kind == CallKind::Source || error.is_some());
        if open.ended_there || nothing_to_come || !kind.is_stream() {
            self.open.remove(&id);
        }
        Some(end_packet(id, kind.is_stream(), error))
    }

    /// Takes a packet of the peer.
    ///
    /// # Errors
    /// Where the connection cannot go on.
    pub fn handle_packet(&mut self, received: Packet) -> Result<Event, SessionError> {
        if received.request == 0 {
            return Ok(Event::Ignored);
        }
        let id = SubstreamId(received.request.checked_neg().ok_or(SessionError::RequestNumber)?);
        let is_new = !self.open.contains_key(&id) && self.is_new(received.request);
        match self.open.get_mut(&id) {
            Some(open) if !open.kind.is_stream() && id.0 > 0 => {
                self.open.remove(&id);
                Ok(if received.end {
                    Event::Ended(id, error_text(&received.body))
                } else {
                    Event::Data(id, received.body)
                })
            }
            Some(open) if received.end && !open.ended_there => {
                open.ended_there = true;
                if open.ended_here {
                    self.open.remove(&id);
                    return Ok(Event::Ignored);
                }
                Ok(Event::Ended(id, error_text(&received.body)))
            }
            Some(open) if open.kind.is_stream() && !open.ended_here && !open.ended_there => {
                Ok(Event::Data(id, received.body))
            }
            Some(_) => Ok(Event::Ignored),
            None if is_new && !received.end => Ok(self.handle_call(id, &received)),
            None => Ok(Event::Ignored),
        }
    }

    /// Whether the peer uses this number for the first time.
    fn is_new(&mut self, number: RequestNumber) -> bool {
        if number <= self.their_last {
            return self.left_out.remove(&number);
        }
        self.left_out.extend((self.their_last + 1..number).rev().take(MAX_LEFT_OUT));
        while self.left_out.len() > MAX_LEFT_OUT {
            self.left_out.pop_first();
        }
        self.their_last = number;
        true
    }

    fn open_by_peer(&self) -> usize {
        self.open.range(..SubstreamId(0)).count()
    }

    fn handle_call(&mut self, id: SubstreamId, received: &Packet) -> Event {
        let refuse = |why: &str| Event::Refused(end_packet(id, received.stream, Some(why)));
        if self.open_by_peer() >= MAX_OPEN {
            return refuse("too many open calls");
        }
        let Some(call) = parse_call(received) else {
            return refuse("cannot read the call");
        };
        self.open.insert(id, Open::new(call.kind));
        Event::Called(id, call)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Path(Vec<String>),
    Single(String),
}

#[derive(Deserialize)]
struct RawCall {
    name: Name,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Some peers write `null` where there are none.
    args: Option<Vec<Value>>,
}

fn parse_call(packet: &Packet) -> Option<Call> {
    if packet.encoding != Encoding::Json || packet.body.len() > MAX_CALL || nesting(&packet.body) > MAX_NESTING {
        return None;
    }
    let raw: RawCall = serde_json::from_slice(&packet.body).ok()?;
    let name = match raw.name {
        Name::Path(path) => path,
        Name::Single(name) => vec![name],
    };
    let kind = match (packet.stream, raw.kind.as_deref()) {
        (false, None | Some("async" | "sync")) => CallKind::Async,
        (true, Some("source")) => CallKind::Source,
        (true, Some("sink")) => CallKind::Sink,
        (true, Some("duplex")) => CallKind::Duplex,
        _ => return None,
    };
    Some(Call { name, kind, args: raw.args.unwrap_or_default() })
}

fn packet(id: SubstreamId, stream: bool, end: bool, body: &Value) -> Packet {
    Packet { request: id.0, stream, end, encoding: Encoding::Json, body: body.to_string().into() }
}

fn end_packet(id: SubstreamId, stream: bool, error: Option<&str>) -> Packet {
    let body = match error {
        Some(message) => json!({ "name": "Error", "message": message, "stack": "" }),
        None => Value::Bool(true),
    };
    packet(id, stream, true, &body)
}

/// The text of the error that an end carries; `None` for an end without error.
fn error_text(body: &[u8]) -> Option<String> {
    if body == b"true" {
        return None;
    }
    let parsed: Option<Value> = if nesting(body) > MAX_NESTING { None } else { serde_json::from_slice(body).ok() };
    let text = match &parsed {
        Some(Value::Object(error)) => error.get("message").and_then(Value::as_str),
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    Some(text.unwrap_or("unknown error").chars().take(MAX_ERROR_TEXT).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(name: &str, kind: CallKind) -> Call {
        Call { name: vec![name.to_owned()], kind, args: vec![] }
    }

    /// A call made by one session and taken by the other.
    fn connect(caller: &mut Session, callee: &mut Session, call: &Call) -> (SubstreamId, SubstreamId) {
        let (ours, packet) = caller.call(call).unwrap();
        match callee.handle_packet(packet).unwrap() {
            Event::Called(theirs, seen) => {
                assert_eq!(&seen, call);
                (ours, theirs)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_async_call_is_answered_once() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let (asked, seen) = connect(&mut a, &mut b, &call("whoami", CallKind::Async));
        let answer = b.data(seen, Encoding::Json, Bytes::from_static(b"{}")).unwrap();
        assert!(b.data(seen, Encoding::Json, Bytes::from_static(b"{}")).is_none());
        assert_eq!(a.handle_packet(answer.clone()), Ok(Event::Data(asked, Bytes::from_static(b"{}"))));
        assert_eq!(a.handle_packet(answer), Ok(Event::Ignored));
    }

    #[test]
    fn a_failed_call_carries_the_error_as_javascript_reads_it() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let (asked, seen) = connect(&mut a, &mut b, &call("nothing", CallKind::Source));
        let failed = b.end(seen, Some("no such method")).unwrap();
        assert!(failed.end && failed.stream);
        assert_eq!(&failed.body[..], br#"{"message":"no such method","name":"Error","stack":""}"#);
        assert_eq!(a.handle_packet(failed), Ok(Event::Ended(asked, Some("no such method".to_owned()))));
    }

    #[test]
    fn a_duplex_closes_when_both_ends_have_ended_it() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let (ours, theirs) = connect(&mut a, &mut b, &call("ebt", CallKind::Duplex));
        let end = a.end(ours, None).unwrap();
        assert_eq!(b.handle_packet(end), Ok(Event::Ended(theirs, None)));
        let late = b.data(theirs, Encoding::Json, Bytes::from_static(b"1")).unwrap();
        assert_eq!(a.handle_packet(late), Ok(Event::Ignored));
        let end = b.end(theirs, None).unwrap();
        assert_eq!(a.handle_packet(end), Ok(Event::Ignored));
        assert!(a.open.is_empty() && b.open.is_empty());
    }

    #[test]
    fn a_source_is_forgotten_once_it_is_at_its_end_whether_or_not_the_caller_confirms() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let (ours, theirs) = connect(&mut a, &mut b, &call("createHistoryStream", CallKind::Source));
        let end = b.end(theirs, None).unwrap();
        assert!(b.open.is_empty());
        assert_eq!(a.handle_packet(end), Ok(Event::Ended(ours, None)));
        let confirmed = a.end(ours, None).unwrap();
        assert_eq!(b.handle_packet(confirmed), Ok(Event::Ignored));
        assert!(a.open.is_empty() && b.open.is_empty());
    }

    #[test]
    fn what_is_refused_is_forgotten_and_what_still_comes_on_it_ignored() {
        for kind in [CallKind::Source, CallKind::Sink, CallKind::Duplex] {
            let (mut a, mut b) = (Session::default(), Session::default());
            let (ours, theirs) = connect(&mut a, &mut b, &call("unheardOf", kind));
            b.end(theirs, Some("no")).unwrap();
            assert!(b.open.is_empty());
            let late = a.data(ours, Encoding::Json, Bytes::from_static(b"1")).unwrap();
            assert_eq!(b.handle_packet(late), Ok(Event::Ignored));
            let confirmed = a.end(ours, None).unwrap();
            assert_eq!(b.handle_packet(confirmed), Ok(Event::Ignored));
        }
    }

    #[test]
    fn calls_that_overtake_each_other_are_all_answered_once() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let packets: Vec<Packet> = (0..4).map(|_| a.call(&call("whoami", CallKind::Async)).unwrap().1).collect();
        for at in [2, 0, 3, 1] {
            assert!(matches!(b.handle_packet(packets[at].clone()), Ok(Event::Called(..))), "{at}");
        }
        b.open.clear();
        assert!(packets.iter().all(|packet| b.handle_packet(packet.clone()) == Ok(Event::Ignored)));
    }

    #[test]
    fn a_call_without_arguments_may_have_null_in_their_place() {
        let body = Bytes::from_static(br#"{"name":"whoami","args":null,"type":"sync"}"#);
        let packet = Packet { request: 1, stream: false, end: false, encoding: Encoding::Json, body };
        let expected = call("whoami", CallKind::Async);
        assert!(matches!(Session::default().handle_packet(packet), Ok(Event::Called(_, call)) if call == expected));
    }

    #[test]
    fn the_calls_that_we_have_open_leave_the_peer_its_own() {
        let (mut a, mut b) = (Session::default(), Session::default());
        for _ in 0..=MAX_OPEN {
            b.call(&call("createHistoryStream", CallKind::Source)).unwrap();
        }
        connect(&mut a, &mut b, &call("whoami", CallKind::Async));
    }

    #[test]
    fn a_peer_that_opens_too_many_calls_is_refused_and_can_go_on_when_it_closes_some() {
        let (mut a, mut b) = (Session::default(), Session::default());
        let many: Vec<_> = (0..MAX_OPEN).map(|_| connect(&mut a, &mut b, &call("ebt", CallKind::Duplex))).collect();
        let (_, packet) = a.call(&call("ebt", CallKind::Duplex)).unwrap();
        assert!(matches!(b.handle_packet(packet), Ok(Event::Refused(_))));
        assert_eq!(b.open.len(), MAX_OPEN);
        let (ours, theirs) = many[0];
        let end = a.end(ours, None).unwrap();
        b.handle_packet(end).unwrap();
        b.end(theirs, None).unwrap();
        connect(&mut a, &mut b, &call("whoami", CallKind::Async));
    }

    #[test]
    fn a_deeply_nested_call_is_refused_unparsed() {
        let body = format!(r#"{{"name":["whoami"],"args":[{}{}]}}"#, "[".repeat(1000), "]".repeat(1000));
        let packet = Packet { request: 1, stream: false, end: false, encoding: Encoding::Json, body: body.into() };
        assert!(matches!(Session::default().handle_packet(packet), Ok(Event::Refused(_))));
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic_or_grow(
            packets in proptest::collection::vec((any::<i32>(), any::<bool>(), any::<bool>(), 0u8..4), 0..100)
        ) {
            let mut session = Session::default();
            let _ = session.call(&call("ebt", CallKind::Duplex));
            let almost_all = MAX_OPEN as i32 - 20;
            let opened = (1..=almost_all).map(|n| (n, true, false, 1));
            for (request, stream, end, body) in opened.chain(packets) {
                let body = ["true", r#"{"name":["a"],"type":"duplex"}"#, r#"{"name":"a"}"#, "{"][usize::from(body)];
                let request = if request % 3 == 0 { request } else { request % (almost_all + 50) };
                let _ = session.handle_packet(Packet { request, stream, end, encoding: Encoding::Json, body: body.into() });
                prop_assert!(session.open_by_peer() <= MAX_OPEN && session.left_out.len() <= MAX_LEFT_OUT);
            }
        }
    }
}
