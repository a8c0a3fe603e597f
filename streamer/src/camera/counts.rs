//! What passes a pipeline, counted where it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// What was published so far, and what was not.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Pictures that were encoded.
    pub(super) pictures: Passing,
    /// Pieces of sound that were encoded.
    pub(super) sounds: Passing,
    /// Of the stream.
    pub(super) bytes: AtomicU64,
    /// Pictures for which the encoder had no time.
    late: Late,
}

/// A track on its way.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// Whether the source has it.
    there: AtomicBool,
    passed: AtomicU64,
}

#[derive(Debug, Default)]
struct Late {
    given: AtomicU64,
    taken: AtomicU64,
    /// What the queue held when it was looked at last, at least.
    dropped: AtomicU64,
}

impl Passing {
    /// The source has this track: it is to come from now on.
    pub(super) fn expect(&self) {
        self.there.store(true, Ordering::Relaxed);
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// Pictures for which the encoder had no time; never fewer than before.
    pub(super) fn dropped(&self) -> u64 {
        self.late.dropped.load(Ordering::Relaxed)
    }

    /// How far each track is that is there: the pipeline goes on where each has gone on.
    pub(super) fn progress(&self) -> Progress {
        let of = |track: &Passing| track.there.load(Ordering::Relaxed).then(|| track.passed());
        Progress { pictures: of(&self.pictures), sounds: of(&self.sounds), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// How far a pipeline is. `None` for a track that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pictures: Option<u64>,
    sounds: Option<u64>,
    bytes: u64,
}

impl Progress {
    /// Whether every track went on since, and what was made of them was published.
    pub(super) fn is_beyond(&self, before: &Self) -> bool {
        let went_on = |now: Option<u64>, then: Option<u64>| now.is_none_or(|now| now > then.unwrap_or(0));
        went_on(self.pictures, before.pictures) && went_on(self.sounds, before.sounds) && self.bytes > before.bytes
    }
}

/// Counts what leaves the last element of a track.
pub(super) fn count_track(last: &gst::Element, counts: &Arc<Counts>, track: fn(&Counts) -> &Passing) -> Option<()> {
    let counts = counts.clone();
    count(&last.static_pad("src")?, move |_| {
        track(&counts).passed.fetch_add(1, Ordering::Relaxed);
    });
    Some(())
}

/// Counts what comes to the one that publishes.
pub(super) fn count_bytes(sink: &gst::Element, counts: &Arc<Counts>) -> Option<()> {
    let counts = counts.clone();
    count(&sink.static_pad("sink")?, move |bytes| {
        counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    });
    Some(())
}

/// Counts what a queue lets go: what came and neither left nor is there still.
pub(super) fn count_dropped(queue: &gst::Element, counts: &Arc<Counts>) -> Option<()> {
    let given = counts.clone();
    count(&queue.static_pad("sink")?, move |_| {
        given.late.given.fetch_add(1, Ordering::Relaxed);
    });
    let (taken, queue) = (counts.clone(), queue.downgrade());
    let source = queue.upgrade()?.static_pad("src")?;
    count(&source, move |_| {
        let late = &taken.late;
        let gone = late.taken.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(queue) = queue.upgrade() else { return };
        let held = u64::from(queue.property::<u32>("current-level-buffers"));
        // One may have been counted that is not in the queue yet.
        let dropped = late.given.load(Ordering::Relaxed).saturating_sub(gone + held + 1);
        late.dropped.fetch_max(dropped, Ordering::Relaxed);
    });
    Some(())
}

fn count(pad: &gst::Pad, count: impl Fn(u64) + Send + Sync + 'static) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            count(buffer.size() as u64);
        }
        gst::PadProbeReturn::Ok
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(pictures: Option<u64>, sounds: Option<u64>, bytes: u64) -> Progress {
        Progress { pictures, sounds, bytes }
    }

    #[test]
    fn a_picture_that_stands_still_is_no_progress_whatever_is_heard() {
        let before = progress(Some(10), Some(10), 100);
        assert!(progress(Some(11), Some(11), 101).is_beyond(&before));
        assert!(!progress(Some(10), Some(50), 500).is_beyond(&before));
        assert!(!progress(Some(50), Some(10), 500).is_beyond(&before));
        assert!(!progress(Some(50), Some(50), 100).is_beyond(&before));
    }

    #[test]
    fn a_track_that_is_not_there_is_not_waited_for() {
        assert!(progress(None, Some(1), 1).is_beyond(&Progress::default()));
        assert!(!progress(Some(0), Some(1), 1).is_beyond(&Progress::default()));
    }
}
