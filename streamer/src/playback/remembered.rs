//! What was made of all segments of a broadcast, so that a room full of viewers costs it once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stream_model::{BroadcastId, BroadcastState, MediaSequence};
use tokio::time::Instant;

/// How many broadcasts are remembered.
const MOST: usize = 16;
/// How long one is good for though nothing is known to have changed: an archive may have been read meanwhile.
const GOOD_FOR: Duration = Duration::from_secs(20);

/// What it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Basis {
    pub(super) state: BroadcastState,
    pub(super) newest: Option<MediaSequence>,
    /// Segments that are here, where that matters.
    pub(super) held: u64,
}

/// What was asked for last.
#[derive(Debug)]
pub(super) struct Remembered<T: ?Sized>(HashMap<BroadcastId, (Basis, Instant, Arc<T>)>);

impl<T: ?Sized> Default for Remembered<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: ?Sized> Remembered<T> {
    pub(super) fn get(&self, id: &BroadcastId, basis: &Basis) -> Option<Arc<T>> {
        let (known, since, made) = self.0.get(id)?;
        (known == basis && since.elapsed() < GOOD_FOR).then(|| Arc::clone(made))
    }

    pub(super) fn insert(&mut self, id: BroadcastId, basis: Basis, made: Arc<T>) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (_, since, _)| since.elapsed() < GOOD_FOR);
        }
        if self.0.len() < MOST || self.0.contains_key(&id) {
            self.0.insert(id, (basis, Instant::now(), made));
        }
    }
}
