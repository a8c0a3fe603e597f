//! One way through all that the bytes of a connected peer meet before the store, for fuzzing and for replaying its corpus.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use stream_model::{BlobId, FeedId, FeedSequence};

use crate::blobs::exchange::Exchange;
use crate::blobs::giving::{self, Giving};
use crate::muxrpc::allowance::{Allowance, BURST};
use crate::muxrpc::packet::{self, Decoded};
use crate::muxrpc::service::{self, Answer};
use crate::muxrpc::session::{Call, Event, Session, SubstreamId};
use crate::replication::history::serving::{self, Serving};
use crate::replication::history::wrapped;
use crate::replication::note::{self, Received};
use crate::replication::session::{Local, Output, Role, Session as Ebt};

/// A feed that this node has; the corpus names it too.
const FEED: FeedId = FeedId([1; 32]);
const MESSAGES: FeedSequence = FeedSequence(3);
const BLOB_SIZE: u64 = 100_000;
/// Outputs taken after each packet: a machine that has something to say for ever is a fault.
const MAX_OUTPUTS: usize = 10_000;

/// Takes `input` for what a peer sends after the handshake.
///
/// # Panics
/// Where a part panics, or breaks one of its bounds: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let mut plain = BytesMut::from(input);
    let mut peer = Peer::new();
    while let Ok(Some(Decoded::Packet(received))) = packet::decode(&mut plain) {
        let Ok(event) = peer.calls.handle_packet(received) else { return };
        match event {
            Event::Called(id, call) => peer.handle_call(id, &call),
            Event::Data(_, body) => peer.handle_data(&body),
            Event::Ended(id, _) => peer.handle_ended(id),
            Event::Refused(_) | Event::Ignored => {}
        }
        peer.drain();
    }
}

struct Peer {
    calls: Session,
    allowance: Allowance,
    began: Instant,
    called: usize,
    ebt: Ebt,
    histories: Serving<SubstreamId>,
    exchange: Exchange<SubstreamId>,
    giving: Giving<SubstreamId>,
}

impl Peer {
    fn new() -> Self {
        let began = Instant::now();
        Self {
            calls: Session::default(),
            allowance: Allowance::new(began),
            began,
            called: 0,
            ebt: Ebt::new(Role::Callee, [(FEED, Local { sequence: MESSAGES, receive: true })]),
            histories: Serving::default(),
            exchange: Exchange::default(),
            giving: Giving::default(),
        }
    }

    fn handle_call(&mut self, id: SubstreamId, call: &Call) {
        if !self.allowance.take(self.began) {
            return;
        }
        self.called += 1;
        assert!(self.called <= BURST as usize, "more calls at one moment than are allowed");
        match service::answer(call, FEED) {
            Answer::Error(text) => drop(self.calls.end(id, Some(&text))),
            Answer::Value(value) => drop(self.calls.data(id, packet::Encoding::Json, value.to_string().into())),
            Answer::History(asked) => drop(self.histories.open(id, &asked, MESSAGES)),
            Answer::Blob(asked) => drop(self.giving.open(id, &asked, Some(BLOB_SIZE))),
            Answer::BlobNotices => drop(self.exchange.handle_called(id, [(BlobId([2; 32]), 1)])),
            Answer::Replicate | Answer::HasBlobs(_) | Answer::BlobSize(_) | Answer::Ping => {}
        }
    }

    /// Every reader gets it, whichever substream it came on.
    fn handle_data(&mut self, body: &Bytes) {
        match note::read(body) {
            Ok(Received::Notes(notes)) => {
                assert_eq!(note::read(&note::write(&notes)), Ok(Received::Notes(notes.clone())));
                self.ebt.handle_notes(notes);
            }
            Ok(Received::Message { author, sequence }) => {
                self.ebt.handle_message(author, sequence);
                self.ebt.handle_taken(author, sequence);
            }
            Err(_) => {}
        }
        let _any_answer_will_do = (wrapped::value_of(body), service::offers_ebt(body));
        self.exchange.handle_notice(body, |blob| (blob.0[0] < 128).then_some(BLOB_SIZE));
    }

    fn handle_ended(&mut self, id: SubstreamId) {
        self.histories.handle_ended(id);
        self.giving.handle_ended(id);
        self.exchange.handle_ended(id);
    }

    /// Says all that there is to say, as an endlessly quick socket does.
    fn drain(&mut self) {
        for outputs in 0.. {
            assert!(outputs < MAX_OUTPUTS, "there is always more to say");
            let ebt = self.ebt.poll_output();
            if let Some(Output::Messages { feed, .. }) = &ebt {
                self.ebt.handle_sent(*feed, MESSAGES);
            }
            let history = self.histories.poll_output();
            if let Some(serving::Output::Messages { stream, limit, .. }) = &history {
                let sent = MESSAGES.0.min(*limit);
                self.histories.handle_sent(*stream, sent, Some(MESSAGES));
            }
            let piece = self.giving.poll_output();
            match piece {
                Some(giving::Output::Piece { from, to, .. }) => {
                    assert!(from < to && to <= BLOB_SIZE && to - from <= giving::PIECE, "{from}..{to}");
                    self.giving.handle_sent();
                }
                Some(giving::Output::End(_)) | None => {}
            }
            let notice = self.exchange.poll_notice();
            let _nothing_is_fetched = self.exchange.poll_get(|_| false);
            if ebt.is_none() && history.is_none() && piece.is_none() && notice.is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    /// The corpus that fuzzing starts from.
    #[test]
    fn the_fuzzing_corpus_is_taken_without_a_panic() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/ssb_connection");
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            super::exercise(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 8, "{inputs}");
    }
}
