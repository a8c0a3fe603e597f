//! What one peer and we tell each other of blobs, and the one that we are getting from it. Pure.
//!
//! Each side calls `blobs.createWants` of the other and gets notices: objects from blobs to numbers, negative for one
//! that is looked for (by somebody so many hops away), positive for one that is there (its size in bytes). One that is
//! looked for and there is asked for with `blobs.get`, one after the other.
//!
//! Source: npm `ssb-blobs` 2.0.1, `inject.js`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use stream_model::BlobId;

use super::MAX_BLOB;
use super::wants::{FETCH_WITHIN, MAX_HOPS};
use crate::muxrpc::session::{Call, CallKind};
use crate::nesting::{MAX_NESTING, nesting};

/// Blobs in one notice.
const NOTICE_AT_ONCE: usize = 100;
/// Blobs that a peer looks for or has, and that are remembered: more than a node looks for at once.
const MAX_REMEMBERED: usize = 512;

/// The call by which a peer's notices come.
pub fn wants_call() -> Call {
    Call { name: name("createWants"), kind: CallKind::Source, args: vec![] }
}

fn get_call(id: &BlobId) -> Call {
    Call { name: name("get"), kind: CallKind::Source, args: vec![json!({ "key": id, "max": MAX_BLOB })] }
}

fn name(method: &str) -> Vec<String> {
    vec!["blobs".to_owned(), method.to_owned()]
}

/// A blob that a peer looks for on behalf of somebody, seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub id: BlobId,
    /// How far away from us, at most [`MAX_HOPS`].
    pub hops: u8,
}

/// How a get ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// These bytes are said to be the blob.
    Whole(BlobId, Bytes),
    /// It came to nothing, after so many bytes.
    Nothing(BlobId, usize),
}

#[derive(Debug)]
struct Get<S> {
    id: BlobId,
    stream: S,
    bytes: BytesMut,
    until: Instant,
}

/// The exchange with one peer. `S` names streams.
#[derive(Debug)]
pub struct Exchange<S> {
    /// On which our notices go.
    notices: Option<S>,
    first_notice_due: bool,
    to_tell: BTreeMap<BlobId, i64>,
    peer_wants: BTreeSet<BlobId>,
    peer_has: BTreeSet<BlobId>,
    /// What it was asked for and did not bring.
    failed: BTreeSet<BlobId>,
    get: Option<Get<S>>,
}

impl<S: Copy + PartialEq> Default for Exchange<S> {
    fn default() -> Self {
        Self {
            notices: None,
            first_notice_due: false,
            to_tell: BTreeMap::new(),
            peer_wants: BTreeSet::new(),
            peer_has: BTreeSet::new(),
            failed: BTreeSet::new(),
            get: None,
        }
    }
}

impl<S: Copy + PartialEq> Exchange<S> {
    /// The peer asks for our notices; this is what we look for. `false` where it has asked before.
    pub fn handle_called(&mut self, stream: S, wanted: impl IntoIterator<Item = (BlobId, u8)>) -> bool {
        if self.notices.is_some() {
            return false;
        }
        self.notices = Some(stream);
        // JavaScript takes a peer that never says anything for an old one.
        self.first_notice_due = true;
        wanted.into_iter().for_each(|(id, hops)| self.handle_wanted(id, hops));
        true
    }

    /// The peer sent a notice. Gives what it looks for and we have not; `size` says what we have.
    pub fn handle_notice(&mut self, body: &[u8], size: impl Fn(&BlobId) -> Option<u64>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for (id, number) in read_notice(body) {
            if number > 0 {
                let believed = !self.failed.contains(&id) && self.failed.len() < MAX_REMEMBERED;
                if believed && number <= MAX_BLOB as i64 && self.peer_has.len() < MAX_REMEMBERED {
                    self.peer_has.insert(id);
                }
            } else if let Some(size) = size(&id) {
                self.tell(id, i64::try_from(size).unwrap_or(i64::MAX));
            } else if self.peer_wants.len() < MAX_REMEMBERED {
                self.peer_wants.insert(id);
                if let Some(hops) = u8::try_from(number.unsigned_abs()).ok().filter(|hops| *hops < MAX_HOPS) {
                    wishes.push(Wish { id, hops: hops + 1 });
                }
            }
        }
        wishes
    }

    /// We look for a blob.
    pub fn handle_wanted(&mut self, id: BlobId, hops: u8) {
        self.tell(id, -i64::from(hops));
    }

    /// We have a blob now. The peer hears of it where it looks for it.
    pub fn handle_held(&mut self, id: BlobId, size: u64) {
        self.to_tell.remove(&id);
        self.peer_has.remove(&id);
        if self.peer_wants.remove(&id) {
            self.tell(id, i64::try_from(size).unwrap_or(i64::MAX));
        }
    }

    fn tell(&mut self, id: BlobId, number: i64) {
        if self.notices.is_some() && self.to_tell.len() < MAX_REMEMBERED {
            self.to_tell.insert(id, number);
        }
    }

    /// A notice to send, and where.
    pub fn poll_notice(&mut self) -> Option<(S, String)> {
        let stream = self.notices?;
        if self.to_tell.is_empty() && !self.first_notice_due {
            return None;
        }
        self.first_notice_due = false;
        let mut notice = serde_json::Map::new();
        while let Some((id, number)) = self.to_tell.pop_first() {
            notice.insert(id.to_string(), number.into());
            if notice.len() >= NOTICE_AT_ONCE {
                break;
            }
        }
        Some((stream, Value::Object(notice).to_string()))
    }

    /// A blob to get from the peer: it has it, and `may_get` allows it. Then [`Self::handle_get_called`] is to follow.
    pub fn poll_get(&mut self, mut may_get: impl FnMut(BlobId) -> bool) -> Option<(BlobId, Call)> {
        if self.get.is_some() {
            return None;
        }
        let id = self.peer_has.iter().copied().find(|id| may_get(*id))?;
        self.peer_has.remove(&id);
        Some((id, get_call(&id)))
    }

    /// What [`Self::poll_get`] may give next.
    pub fn offered(&self) -> impl Iterator<Item = &BlobId> {
        self.peer_has.iter().filter(|_| self.get.is_none())
    }

    /// The call that [`Self::poll_get`] gave was made.
    pub fn handle_get_called(&mut self, id: BlobId, stream: S, now: Instant) {
        self.get = Some(Get { id, stream, bytes: BytesMut::new(), until: now + FETCH_WITHIN });
    }

    /// Whether this is the stream of the blob that we are getting.
    pub fn is_getting(&self, stream: S) -> bool {
        self.get.as_ref().is_some_and(|get| get.stream == stream)
    }

    /// A piece of the blob came; where it is too large by that, the stream is to be ended.
    pub fn handle_piece(&mut self, piece: &[u8]) -> Option<(S, Got)> {
        let get = self.get.as_mut()?;
        if get.bytes.len() + piece.len() > MAX_BLOB {
            return self.give_up();
        }
        get.bytes.extend_from_slice(piece);
        None
    }

    /// The peer ended the stream of the blob.
    pub fn handle_get_ended(&mut self, failed: bool) -> Option<Got> {
        let get = self.get.take()?;
        Some(if failed { Got::Nothing(get.id, get.bytes.len()) } else { Got::Whole(get.id, get.bytes.freeze()) })
    }

    /// The peer did not bring a blob: it is not asked for that one again.
    pub fn handle_failed(&mut self, id: BlobId) {
        self.peer_has.remove(&id);
        self.failed.insert(id);
    }

    /// When [`Self::poll_timeout`] has something.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.get.as_ref().map(|get| get.until)
    }

    /// The stream to end because the peer took too long.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<(S, Got)> {
        self.get.as_ref().filter(|get| get.until <= now)?;
        self.give_up()
    }

    /// Gives up what is being got.
    pub fn give_up(&mut self) -> Option<(S, Got)> {
        self.get.take().map(|get| (get.stream, Got::Nothing(get.id, get.bytes.len())))
    }

    /// The peer ended a stream.
    pub fn handle_ended(&mut self, stream: S) {
        if self.notices == Some(stream) {
            self.notices = None;
            self.to_tell.clear();
        }
    }
}

/// What is neither a blob nor a number in a notice is passed over, as JavaScript does.
fn read_notice(body: &[u8]) -> Vec<(BlobId, i64)> {
    if nesting(body) > MAX_NESTING {
        return Vec::new();
    }
    let Ok(Value::Object(notice)) = serde_json::from_slice(body) else { return Vec::new() };
    let entry = |(id, number): (&String, &Value)| Some((id.parse().ok()?, number.as_i64().filter(|n| *n != 0)?));
    notice.iter().filter(|(id, _)| id.starts_with('&')).filter_map(entry).take(MAX_REMEMBERED).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: BlobId = BlobId([1; 32]);
    const B: BlobId = BlobId([2; 32]);

    fn notice<const N: usize>(entries: [(BlobId, i64); N]) -> String {
        let entries: BTreeMap<String, i64> = entries.into_iter().map(|(id, n)| (id.to_string(), n)).collect();
        json!(entries).to_string()
    }

    fn nothing(_: &BlobId) -> Option<u64> {
        None
    }

    #[test]
    fn the_first_notice_goes_out_even_where_nothing_is_wanted() {
        let mut exchange = Exchange::default();
        exchange.handle_wanted(A, 1);
        assert_eq!(exchange.poll_notice(), None, "nobody listens");
        assert!(exchange.handle_called(7, []));
        assert_eq!(exchange.poll_notice(), Some((7, "{}".to_owned())));
        assert_eq!(exchange.poll_notice(), None);
        assert!(!exchange.handle_called(8, []));
    }

    #[test]
    fn what_is_wanted_is_told_and_so_is_what_the_peer_wants_and_we_have() {
        let mut exchange = Exchange::default();
        exchange.handle_called(7, [(A, 1)]);
        assert_eq!(exchange.handle_notice(notice([(B, -1)]).as_bytes(), |_| Some(500)), []);
        assert_eq!(exchange.poll_notice(), Some((7, notice([(A, -1), (B, 500)]))));
    }

    #[test]
    fn what_the_peer_looks_for_is_joined_up_to_a_distance_and_told_when_it_comes() {
        let mut exchange = Exchange::default();
        exchange.handle_called(7, []);
        exchange.poll_notice();
        assert_eq!(exchange.handle_notice(notice([(A, -2)]).as_bytes(), nothing), [Wish { id: A, hops: 3 }]);
        assert_eq!(exchange.handle_notice(notice([(B, -3)]).as_bytes(), nothing), []);
        exchange.handle_held(A, 9);
        exchange.handle_held(B, 8);
        exchange.handle_held(BlobId([3; 32]), 7);
        assert_eq!(exchange.poll_notice(), Some((7, notice([(A, 9), (B, 8)]))));
    }

    #[test]
    fn one_blob_at_a_time_is_got_of_those_that_are_wanted() {
        let (mut exchange, now) = (Exchange::default(), Instant::now());
        let huge = MAX_BLOB as i64 + 1;
        exchange.handle_notice(notice([(A, 10), (B, 20), (BlobId([3; 32]), huge)]).as_bytes(), nothing);
        assert_eq!(exchange.poll_get(|_| false), None);
        let (id, call) = exchange.poll_get(|_| true).unwrap();
        assert_eq!((id, call.args[0]["key"].clone()), (A, json!(A)));
        exchange.handle_get_called(id, 3, now);
        assert_eq!(exchange.poll_get(|_| true), None);
        assert!(exchange.is_getting(3));
        assert_eq!(exchange.handle_piece(b"he"), None);
        assert_eq!(exchange.handle_piece(b"llo"), None);
        assert_eq!(exchange.handle_get_ended(false), Some(Got::Whole(A, Bytes::from_static(b"hello"))));
        assert_eq!(exchange.poll_get(|_| true).map(|(id, _)| id), Some(B));
        exchange.handle_get_called(B, 4, now);
        assert_eq!(exchange.handle_get_ended(true), Some(Got::Nothing(B, 0)));
        assert_eq!(exchange.poll_get(|_| true), None);
    }

    #[test]
    fn a_blob_that_grows_too_large_or_takes_too_long_is_given_up() {
        let (mut exchange, now) = (Exchange::default(), Instant::now());
        exchange.handle_get_called(A, 3, now);
        assert_eq!(exchange.handle_piece(&vec![0; MAX_BLOB]), None);
        assert_eq!(exchange.handle_piece(b"x"), Some((3, Got::Nothing(A, MAX_BLOB))));
        exchange.handle_get_called(B, 4, now);
        assert_eq!(exchange.poll_timeout(now), None);
        assert_eq!(exchange.poll_timeout(exchange.next_timeout().unwrap()), Some((4, Got::Nothing(B, 0))));
    }

    #[test]
    fn a_peer_is_not_asked_again_for_what_it_did_not_bring() {
        let mut exchange: Exchange<u32> = Exchange::default();
        exchange.handle_notice(notice([(A, 10)]).as_bytes(), nothing);
        exchange.handle_failed(A);
        assert_eq!(exchange.poll_get(|_| true), None);
        exchange.handle_notice(notice([(A, 10), (B, 10)]).as_bytes(), nothing);
        assert_eq!(exchange.poll_get(|_| true).map(|(id, _)| id), Some(B));
        assert_eq!(exchange.poll_get(|_| true), None);
    }

    #[test]
    fn a_peer_that_brings_nothing_is_not_asked_for_ever() {
        let mut exchange: Exchange<u32> = Exchange::default();
        let id = |n: u16| BlobId([&n.to_be_bytes()[..], &[0; 30]].concat().try_into().unwrap());
        let asked = (0..2_000).filter(|n| {
            exchange.handle_notice(notice([(id(*n), 10)]).as_bytes(), nothing);
            let asked = exchange.poll_get(|_| true);
            asked.iter().for_each(|(id, _)| exchange.handle_failed(*id));
            asked.is_some()
        });
        assert_eq!(asked.count(), MAX_REMEMBERED);
    }

    #[test]
    fn what_a_peer_makes_up_is_remembered_within_bounds() {
        let mut exchange: Exchange<u32> = Exchange::default();
        exchange.handle_called(7, []);
        for round in 0..20u8 {
            let id = |n: u16| BlobId([&[round][..], &n.to_be_bytes(), &[0; 29]].concat().try_into().unwrap());
            let entries: BTreeMap<String, i64> =
                (0..1_000).map(|n| (id(n).to_string(), if n % 2 == 0 { 5 } else { -1 })).collect();
            exchange.handle_notice(json!(entries).to_string().as_bytes(), nothing);
        }
        assert!(exchange.peer_has.len() <= MAX_REMEMBERED && exchange.peer_wants.len() <= MAX_REMEMBERED);
    }

    proptest! {
        #[test]
        fn no_notice_makes_it_panic(body: Vec<u8>, number in "-?[0-9]{1,25}(\\.5)?") {
            let mut exchange: Exchange<u32> = Exchange::default();
            exchange.handle_called(7, []);
            exchange.handle_notice(&body, nothing);
            exchange.handle_notice(format!("{{\"{A}\":{number}}}").as_bytes(), |_| Some(u64::MAX));
            exchange.poll_notice();
        }
    }
}
