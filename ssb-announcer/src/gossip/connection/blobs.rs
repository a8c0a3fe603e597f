//! Blobs on one connection: carries what the state machines of [`crate::blobs`] say between the wire and the folder.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::counter;
use serde_json::{Value, json};
use stream_model::FeedId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::wire::Wire;
use super::{BlobError, SessionError};
use crate::blobs::exchange::{self, Exchange, Got, Wish};
use crate::blobs::giving::{self, Giving, Question};
use crate::blobs::wants::FetchId;
use crate::blobs::{Blobs, Change};
use crate::muxrpc::packet::Encoding;
use crate::muxrpc::service::Answer;
use crate::muxrpc::session::SubstreamId;

/// Wishes of the peer that wait for room: as many pictures as a node looks for at once.
const MAX_WAITING: usize = 256;

/// The least time until wishes are looked at again for the passing of time alone, so that no rounding makes it a loop.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Numbers connections, so that one does not end the fetch of another.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

pub(super) struct BlobTraffic {
    blobs: Blobs,
    peer: FeedId,
    /// Wishes of the peer that are not joined yet, in their order.
    waiting: VecDeque<Wish>,
    changes: broadcast::Receiver<Change>,
    fetch: FetchId,
    exchange: Exchange<SubstreamId>,
    giving: Giving<SubstreamId>,
    begun: bool,
    /// On which the peer's notices come.
    notices: Option<SubstreamId>,
    /// Whether something may have become worth getting.
    look: bool,
    /// When it is worth looking though nothing has changed.
    look_at: Option<Instant>,
    /// A blob that has come and is not stored yet.
    got: Option<Got>,
}

impl BlobTraffic {
    pub(super) fn new(blobs: Blobs, peer: FeedId) -> Self {
        Self {
            changes: blobs.subscribe(),
            blobs,
            peer,
            waiting: VecDeque::new(),
            fetch: FetchId(CONNECTIONS.fetch_add(1, Ordering::Relaxed)),
            exchange: Exchange::default(),
            giving: Giving::default(),
            begun: false,
            notices: None,
            look: false,
            look_at: None,
            got: None,
        }
    }

    /// The next change of what is held or wanted. May be cancelled.
    pub(super) async fn changed(&mut self) -> Result<Change, RecvError> {
        self.changes.recv().await
    }

    pub(super) fn handle_changed(&mut self, change: Result<Change, RecvError>) {
        match change {
            Ok(Change::Wanted(id, hops)) => self.exchange.handle_wanted(id, hops),
            Ok(Change::Held(id, size)) => self.exchange.handle_held(id, size),
            Ok(Change::Missed) | Err(RecvError::Closed) => {}
            Err(RecvError::Lagged(_)) => {
                self.blobs.wanted().into_iter().for_each(|(id, hops)| self.exchange.handle_wanted(id, hops));
            }
        }
        self.look = true;
    }

    /// The peer asks about blobs, or for them.
    pub(super) fn handle_called(&mut self, id: SubstreamId, answer: Answer, wire: &mut Wire) {
        match answer {
            Answer::HasBlobs(question) => {
                wire.data(id, self.about(&question, |size| json!(size.is_some())).to_string())
            }
            Answer::BlobSize(question) => wire.data(id, self.about(&question, |size| json!(size)).to_string()),
            Answer::Blob(asked) => {
                if let Err(reason) = self.giving.open(id, &asked, self.blobs.size(&asked.id)) {
                    wire.end(id, Some(&reason.to_string()));
                }
            }
            Answer::BlobNotices if !self.exchange.handle_called(id, self.blobs.wanted()) => {
                wire.end(id, Some("this connection has a stream of notices already"));
            }
            _ => {}
        }
    }

    fn about(&self, question: &Question, say: impl Fn(Option<u64>) -> Value) -> Value {
        match question {
            Question::One(id) => say(self.blobs.size(id)),
            Question::Several(ids) => ids.iter().map(|id| say(self.blobs.size(id))).collect(),
        }
    }

    /// Whether the substream is one of blobs.
    pub(super) fn handle_data(&mut self, id: SubstreamId, body: &Bytes, wire: &mut Wire) -> bool {
        if self.notices == Some(id) {
            for wish in self.exchange.handle_notice(body, |blob| self.blobs.size(blob)) {
                if self.waiting.len() < MAX_WAITING && !self.waiting.contains(&wish) {
                    self.waiting.push_back(wish);
                }
            }
            self.look = true;
            return true;
        }
        if !self.exchange.is_getting(id) {
            return false;
        }
        if let Some((stream, got)) = self.exchange.handle_piece(body) {
            wire.end(stream, None);
            self.got = Some(got);
        }
        true
    }

    /// The peer ended a substream, with an error or without.
    pub(super) fn handle_ended(&mut self, id: SubstreamId, failed: bool) {
        self.giving.handle_ended(id);
        if self.exchange.is_getting(id) {
            self.got = self.exchange.handle_get_ended(failed);
        }
        self.exchange.handle_ended(id);
        if self.notices == Some(id) {
            self.notices = None;
        }
    }

    /// When [`Self::act`] has something to do next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.exchange.next_timeout().into_iter().chain(self.look_at).min()
    }

    /// Stores what has come, and makes the calls that are due. The peer's notices are asked for once it `replicates`: not
    /// those of a tool that asks a question and leaves.
    pub(super) async fn act(&mut self, replicates: bool, wire: &mut Wire, now: Instant) -> Result<(), SessionError> {
        if replicates && !self.begun {
            self.begun = true;
            self.notices = Some(wire.call(&exchange::wants_call())?);
        }
        if let Some((stream, got)) = self.exchange.poll_timeout(now) {
            wire.end(stream, None);
            self.got = Some(got);
        }
        match self.got.take() {
            Some(Got::Whole(id, bytes)) => {
                self.look = true;
                match self.blobs.handle_fetched(id, self.fetch, bytes).await {
                    Ok(true) => counter!("meshstream_ssb_blobs_fetched_total").increment(1),
                    Ok(false) => {
                        self.exchange.handle_failed(id);
                        counter!("meshstream_ssb_blobs_rejected_total").increment(1);
                    }
                    Err(error) => tracing::warn!(%error, blob = %id, "cannot keep a blob"),
                }
            }
            Some(Got::Nothing(id, bytes)) => {
                self.look = true;
                self.exchange.handle_failed(id);
                self.blobs.end_fetch(id, self.fetch, bytes);
            }
            None => {}
        }
        if !std::mem::take(&mut self.look) && self.look_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        while let Some(wish) = self.waiting.front()
            && self.blobs.want_for_peer(self.peer, wish.id, wish.hops)
        {
            self.waiting.pop_front();
        }
        if let Some((id, call)) = self.exchange.poll_get(|id| self.blobs.begin_fetch(id, self.fetch)) {
            let stream = wire.call(&call)?;
            self.exchange.handle_get_called(id, stream, now);
        }
        let next = self.blobs.next_chance(!self.waiting.is_empty(), self.exchange.offered());
        self.look_at = next.map(|at| at.max(now + LOOK_AGAIN_AFTER));
        Ok(())
    }

    /// Sends a notice or a piece of a blob; `false` where there is nothing to send.
    pub(super) async fn send_some(&mut self, wire: &mut Wire) -> Result<bool, BlobError> {
        if let Some((stream, notice)) = self.exchange.poll_notice() {
            wire.data(stream, notice);
            return Ok(true);
        }
        match self.giving.poll_output() {
            None => return Ok(false),
            Some(giving::Output::End(stream)) => wire.end(stream, None),
            Some(giving::Output::Piece { stream, id, from, to }) => match self.blobs.read(id, from..to).await {
                Ok(piece) if piece.len() as u64 == to - from => {
                    counter!("meshstream_ssb_blob_bytes_sent_total").increment(to - from);
                    wire.data_as(stream, Encoding::Binary, piece);
                    self.giving.handle_sent();
                }
                // It was evicted, or changed on the disk.
                Ok(_) | Err(BlobError::NotFound(_)) => {
                    wire.end(stream, Some("the blob is gone"));
                    self.giving.handle_ended(stream);
                }
                Err(error) => return Err(error),
            },
        }
        Ok(true)
    }
}

impl Drop for BlobTraffic {
    fn drop(&mut self) {
        if let Some((_, Got::Nothing(id, bytes))) = self.exchange.give_up() {
            self.blobs.end_fetch(id, self.fetch, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};
    use stream_model::BlobId;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::blobs::budget::AT_ONCE;
    use crate::blobs::wants::{MAX_FOR_PEER, PEERS_LAST};
    use crate::blobs::{Config, MAX_BLOB};
    use crate::handshake::state::BoxKey;

    const PEER: FeedId = FeedId([7; 32]);

    /// A connection on whose wire nothing is ever sent.
    struct Connected {
        traffic: BlobTraffic,
        wire: Wire,
        notices: SubstreamId,
    }

    impl Connected {
        async fn new(blobs: &Blobs) -> Self {
            let listener = TcpListener::bind("[::1]:0").await.unwrap();
            let (_, write) = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_split();
            let mut wire = Wire::new(write, BoxKey::fixed());
            let mut traffic = BlobTraffic::new(blobs.clone(), PEER);
            traffic.act(true, &mut wire, now()).await.unwrap();
            let notices = traffic.notices.unwrap();
            Self { traffic, wire, notices }
        }

        /// The peer looks for a blob (-1), or has one of this size.
        async fn notice(&mut self, id: BlobId, number: i64) {
            let notice = json!({ id.to_string(): number }).to_string();
            self.traffic.handle_data(self.notices, &notice.into(), &mut self.wire);
            self.act().await;
        }

        async fn act(&mut self) {
            self.traffic.act(true, &mut self.wire, now()).await.unwrap();
        }

        /// The blob that is being fetched comes, and is told of.
        async fn comes(&mut self, id: BlobId, bytes: Bytes) {
            self.traffic.got = Some(Got::Whole(id, bytes));
            drop(self.traffic.exchange.give_up().unwrap());
            self.act().await;
            self.comes_elsewhere().await;
        }

        /// Hears of what another connection brought.
        async fn comes_elsewhere(&mut self) {
            while let Ok(change) = self.traffic.changes.try_recv() {
                self.traffic.handle_changed(Ok(change));
            }
            self.act().await;
        }

        /// Sleeps as the connection does where the peer says nothing.
        async fn pass(&mut self) {
            let timer = self.traffic.next_timeout().expect("it waits for something");
            tokio::time::sleep_until(timer.into()).await;
            self.act().await;
        }

        fn is_fetching(&self) -> bool {
            self.traffic.exchange.next_timeout().is_some()
        }
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn blob(n: u8) -> (BlobId, Bytes) {
        let bytes = Bytes::from(vec![n; MAX_BLOB]);
        (BlobId(Sha256::digest(&bytes).into()), bytes)
    }

    fn open() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(Config::in_directory(folder.path().to_owned())).unwrap();
        (folder, blobs)
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_the_budget_is_fetched_when_it_is_back_though_nothing_else_happens() {
        let (_folder, blobs) = open();
        let (mut one, mut other) = (Connected::new(&blobs).await, Connected::new(&blobs).await);
        other.traffic.peer = FeedId([8; 32]);
        let most = u8::try_from(AT_ONCE / MAX_BLOB as u64).unwrap();
        for n in 0..=most {
            let (id, bytes) = blob(n);
            one.notice(id, -1).await;
            other.notice(id, bytes.len() as i64).await;
            if n < most {
                assert!(other.is_fetching(), "blob {n}");
                other.comes(id, bytes).await;
                one.comes_elsewhere().await;
            }
        }
        assert!(!other.is_fetching());
        other.pass().await;
        assert!(other.is_fetching());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_without_room_is_joined_when_others_end_though_nothing_else_happens() {
        let (_folder, blobs) = open();
        let mut peer = Connected::new(&blobs).await;
        for n in 0..=MAX_FOR_PEER {
            peer.notice(blob(n as u8).0, -1).await;
        }
        let last = blob(MAX_FOR_PEER as u8).0;
        assert!(!blobs.wanted().iter().any(|(id, _)| *id == last));
        let before = now();
        peer.pass().await;
        assert!(blobs.wanted().iter().any(|(id, _)| *id == last));
        assert!(now() >= before + PEERS_LAST);
    }
}
