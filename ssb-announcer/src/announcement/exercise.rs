//! One way through an import of carried messages, for fuzzing and for replaying its corpus.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use stream_model::{BroadcastId, CarriedMessages, FeedSequence, MessageCarrier as _, MessageKey};
use tokio::runtime::Builder;

use super::{BroadcastDirectory, Carrier, content};
use crate::feed::{FeedStore, read_message};
use crate::identity::Identity;

/// Bytes of a piece: lines end within pieces, and pieces within lines.
const PIECE: usize = 1_000;

/// Imports `input` as the messages of the first broadcast that it announces. What was taken must be there, be exported, and be
/// known when it is brought again.
///
/// # Panics
/// Where the import panics, or counts what it did not store: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let runtime = Builder::new_current_thread().build().expect("a runtime without drivers needs nothing");
    let me = Identity::from_seed(&[0; 32]).id();
    let store = FeedStore::in_memory(me, vec![]).expect("memory needs no disk");
    let directory = BroadcastDirectory::open(store.clone(), me).expect("memory does not fail");
    let carrier = Carrier::new(store.clone(), directory);
    let broadcast = announced(input).unwrap_or(BroadcastId(MessageKey([0; 32])));
    let import = || {
        let pieces: Vec<_> = input.chunks(PIECE).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        runtime.block_on(carrier.import_messages(broadcast, stream::iter(pieces).boxed()))
    };
    let Ok(carried) = import() else { return };
    let stored: u64 = store.clocks(&store.stored_feeds()).into_iter().map(|FeedSequence(number)| number).sum();
    assert_eq!(stored, carried.new, "what is counted as new is stored");
    assert!(runtime.block_on(carrier.export_messages(broadcast)).is_ok(), "what was taken is exported");
    let again = import().expect("what was taken is taken again");
    assert_eq!(again, CarriedMessages { new: 0, known: carried.new + carried.known });
}

/// The first broadcast that one of the lines announces.
fn announced(input: &[u8]) -> Option<BroadcastId> {
    input.split(|byte| *byte == b'\n').find_map(|line| {
        // The value is the rest of the line but for the last bracket.
        let value = line.windows(8).position(|window| window == b"\"value\":")? + 8;
        let message = read_message(line.get(value..line.len().checked_sub(1)?)?).ok()?;
        (message.kind.as_deref() == Some(content::BROADCAST)).then_some(BroadcastId(message.key))
    })
}
