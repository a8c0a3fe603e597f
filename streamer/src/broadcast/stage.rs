//! The bounded stage between the segmenter and the store. What does not fit is dropped, so that a publisher is never
//! slowed by a disk.

use std::sync::Arc;

use stream_model::{Tracks, WallTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::segmenter::Segment;

/// Segments that may wait for the store: with the usual 14 s they bridge a stall of a minute.
const SEGMENTS: usize = 4;
/// Bytes of segments that may wait in one stream's stage, in KiB: four segments of 15 s at 5 Mbit/s, one at 20. A
/// larger one is taken while nothing else waits.
const STAGE_KIB: u32 = 40 << 10;

/// A segment that waits for the store.
#[derive(Debug)]
pub(super) struct Staged {
    /// The segment.
    pub(super) segment: Segment,
    /// Tracks of its publication.
    pub(super) tracks: Tracks,
    /// Title of its publication, where it gave one.
    pub(super) title: Option<String>,
    /// Whether a segment before it was dropped.
    pub(super) after_loss: bool,
    /// What the wall clock said when it was complete, where it can be right.
    pub(super) complete_at: Option<WallTime>,
    /// Gives the room back once the segment is stored or dropped.
    _room: OwnedSemaphorePermit,
}

/// Where segments go in.
#[derive(Debug)]
pub(super) struct Entrance {
    queue: mpsc::Sender<Staged>,
    room: Arc<Semaphore>,
    lost: bool,
}

/// A segment before it is staged.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) segment: Segment,
    pub(super) tracks: Tracks,
    pub(super) title: Option<String>,
    pub(super) complete_at: Option<WallTime>,
}

/// An empty stage.
pub(super) fn stage() -> (Entrance, mpsc::Receiver<Staged>) {
    let (queue, exit) = mpsc::channel(SEGMENTS);
    (Entrance { queue, room: Arc::new(Semaphore::new(STAGE_KIB as usize)), lost: false }, exit)
}

impl Entrance {
    /// Stages a segment, or drops it and returns false where there is no room. Never waits.
    pub(super) fn submit(&mut self, candidate: Candidate) -> bool {
        let kib = u32::try_from(candidate.segment.len().div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, STAGE_KIB);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) else {
            self.lost = true;
            return false;
        };
        let Candidate { segment, tracks, title, complete_at } = candidate;
        let staged = Staged { segment, tracks, title, after_loss: self.lost, complete_at, _room: room };
        self.lost = self.queue.try_send(staged).is_err();
        !self.lost
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::segmenter::Part;

    fn candidate(bytes: usize) -> Candidate {
        let part = Part { bytes: Bytes::from(vec![0; bytes]), duration: Duration::from_secs(1), independent: true };
        let segment = Segment {
            parts: vec![part],
            init: Bytes::new(),
            duration: Duration::from_secs(1),
            start: Duration::ZERO,
            independent: true,
            discontinuity: false,
        };
        Candidate { segment, tracks: Tracks { video: true, audio: true }, title: None, complete_at: None }
    }

    #[test]
    fn what_follows_a_dropped_segment_says_so() {
        let (mut entrance, mut exit) = stage();
        for _ in 0..SEGMENTS {
            assert!(entrance.submit(candidate(1000)));
        }
        assert!(!entrance.submit(candidate(1000)), "the stage is full");
        assert!(!exit.try_recv().unwrap().after_loss);
        assert!(entrance.submit(candidate(1000)));
        let last = std::iter::from_fn(|| exit.try_recv().ok()).last().unwrap();
        assert!(last.after_loss);
    }

    #[test]
    fn bytes_are_bounded_but_one_segment_always_fits() {
        let huge = (STAGE_KIB as usize + 1) << 10;
        let (mut entrance, mut exit) = stage();
        assert!(entrance.submit(candidate(huge)));
        assert!(!entrance.submit(candidate(1)), "the huge one fills the stage");
        drop(exit.try_recv().unwrap());
        assert!(entrance.submit(candidate(1)));
        assert!(!entrance.submit(candidate(huge)), "a huge one waits for nobody else");
    }
}
