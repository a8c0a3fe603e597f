//! The events of a publication on their way to whoever takes them: bounded in number and in bytes, and never waited
//! for. What does not fit is dropped up to the next keyframe, and the hole is marked with [`MediaEvent::Lost`].

use std::collections::VecDeque;

use metrics::counter;
use tokio::sync::mpsc;

use crate::media::{MediaEvent, TrackKind};

/// Whoever took the events has gone.
#[derive(Debug)]
pub(super) struct Gone;

#[derive(Debug)]
pub(super) struct EventQueue {
    sender: mpsc::Sender<MediaEvent>,
    /// Bytes of each event in the channel, oldest first. The channel's free capacity tells how many were taken.
    sizes: VecDeque<usize>,
    bytes: usize,
    max_bytes: usize,
    has_video: bool,
    /// Something was dropped and `Lost` is not yet sent.
    lost: bool,
    /// The latest configurations among what was dropped: samples make no sense without them.
    dropped_video_config: Option<MediaEvent>,
    dropped_audio_config: Option<MediaEvent>,
}

impl EventQueue {
    /// A queue of at least 8 events, and the receiver of what is pushed.
    pub(super) fn new(max_events: usize, max_bytes: usize) -> (Self, mpsc::Receiver<MediaEvent>) {
        let (sender, receiver) = mpsc::channel(max_events.max(8));
        let queue = Self {
            sender,
            sizes: VecDeque::new(),
            bytes: 0,
            max_bytes,
            has_video: false,
            lost: false,
            dropped_video_config: None,
            dropped_audio_config: None,
        };
        (queue, receiver)
    }

    /// Adds an event, or drops it.
    pub(super) fn push(&mut self, event: MediaEvent) -> Result<(), Gone> {
        if self.sender.is_closed() {
            return Err(Gone);
        }
        self.settle();
        self.has_video |= matches!(event, MediaEvent::VideoConfig(_));
        if self.lost && self.resumes(&event) {
            self.send(MediaEvent::Lost)?;
            for config in [self.dropped_video_config.take(), self.dropped_audio_config.take()].into_iter().flatten() {
                self.send(config)?;
            }
            self.lost = false;
        }
        if !self.lost && self.sender.capacity() > 0 && self.bytes + size(&event) <= self.max_bytes {
            return self.send(event);
        }
        self.drop_event(event);
        Ok(())
    }

    fn send(&mut self, event: MediaEvent) -> Result<(), Gone> {
        let size = size(&event);
        self.sender.try_send(event).map_err(|_| Gone)?;
        self.sizes.push_back(size);
        self.bytes += size;
        Ok(())
    }

    /// Whether decoding can go on with this event and there is room again. With half of the room free, so that a
    /// reader that stays too slow gets long pieces with few holes.
    fn resumes(&self, event: &MediaEvent) -> bool {
        let MediaEvent::Sample(sample) = event else { return false };
        let starts = match sample.track {
            TrackKind::Video => sample.keyframe,
            TrackKind::Audio => !self.has_video,
        };
        starts && self.sender.capacity() >= self.sender.max_capacity() / 2 && self.bytes <= self.max_bytes / 2
    }

    fn drop_event(&mut self, event: MediaEvent) {
        if !self.lost {
            self.lost = true;
            tracing::warn!("media is dropped: what lies behind ingest is too slow");
        }
        match event {
            MediaEvent::VideoConfig(_) => self.dropped_video_config = Some(event),
            MediaEvent::AudioConfig(_) => self.dropped_audio_config = Some(event),
            _ => counter!("meshstream_ingest_dropped_samples_total").increment(1),
        }
    }

    /// Forgets the sizes of what was taken meanwhile.
    fn settle(&mut self) {
        let waiting = self.sender.max_capacity() - self.sender.capacity();
        while self.sizes.len() > waiting {
            self.bytes -= self.sizes.pop_front().unwrap_or_default();
        }
    }
}

fn size(event: &MediaEvent) -> usize {
    match event {
        MediaEvent::VideoConfig(data) | MediaEvent::AudioConfig(data) => data.len(),
        MediaEvent::Sample(sample) => sample.data.len(),
        MediaEvent::Expect { .. } | MediaEvent::Lost => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::media::Sample;

    fn video_config(byte: u8) -> MediaEvent {
        MediaEvent::VideoConfig(Bytes::copy_from_slice(&[byte]))
    }

    fn sample(track: TrackKind, timestamp: u32, keyframe: bool, length: usize) -> MediaEvent {
        let data = Bytes::from(vec![0; length]);
        MediaEvent::Sample(Sample { track, timestamp, composition_offset: 0, keyframe, data })
    }

    fn take(receiver: &mut mpsc::Receiver<MediaEvent>) -> Vec<MediaEvent> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_until_a_keyframe_and_marked() {
        let (mut queue, mut receiver) = EventQueue::new(100, 1000);
        queue.push(video_config(1)).unwrap();
        let first = sample(TrackKind::Video, 0, true, 900);
        queue.push(first.clone()).unwrap();
        queue.push(sample(TrackKind::Video, 40, false, 200)).unwrap();
        queue.push(video_config(2)).unwrap();
        queue.push(sample(TrackKind::Video, 80, true, 10)).unwrap();
        assert_eq!(take(&mut receiver), [video_config(1), first]);

        queue.push(sample(TrackKind::Video, 120, false, 10)).unwrap();
        queue.push(sample(TrackKind::Audio, 121, true, 10)).unwrap();
        let keyframe = sample(TrackKind::Video, 160, true, 10);
        queue.push(keyframe.clone()).unwrap();
        let after = sample(TrackKind::Video, 200, false, 10);
        queue.push(after.clone()).unwrap();
        assert_eq!(take(&mut receiver), [MediaEvent::Lost, video_config(2), keyframe, after]);
    }

    #[test]
    fn audio_alone_goes_on_as_soon_as_there_is_room() {
        let (mut queue, mut receiver) = EventQueue::new(8, 1000);
        for timestamp in 0..10 {
            queue.push(sample(TrackKind::Audio, timestamp, true, 1)).unwrap();
        }
        assert_eq!(take(&mut receiver).len(), 8);
        let next = sample(TrackKind::Audio, 11, true, 1);
        queue.push(next.clone()).unwrap();
        assert_eq!(take(&mut receiver), [MediaEvent::Lost, next]);
    }

    #[test]
    fn a_receiver_that_has_gone_is_noticed() {
        let (mut queue, receiver) = EventQueue::new(8, 1000);
        drop(receiver);
        assert!(queue.push(video_config(1)).is_err());
    }

    proptest! {
        /// However it is filled and taken from, it holds no more than it may, and nothing follows a hole but `Lost`.
        #[test]
        fn the_queue_keeps_its_bounds_and_marks_every_hole(
            steps in prop::collection::vec((0_usize..400, any::<bool>(), 0_usize..4), 1..200),
        ) {
            let (mut queue, mut receiver) = EventQueue::new(16, 1000);
            let (mut held, mut next, mut gap) = (VecDeque::new(), 0_u32, false);
            let mut check = |event: MediaEvent| {
                match event {
                    MediaEvent::Lost => gap = true,
                    MediaEvent::Sample(sample) => {
                        assert!(gap || sample.timestamp == next, "a hole is not marked");
                        assert!(!gap || sample.keyframe, "a hole is not followed by a keyframe");
                        next = sample.timestamp + 1;
                        gap = false;
                    }
                    _ => {}
                }
            };
            queue.push(video_config(1)).unwrap();
            for (timestamp, (length, keyframe, taken)) in steps.into_iter().enumerate() {
                queue.push(sample(TrackKind::Video, timestamp as u32, keyframe, length)).unwrap();
                prop_assert!(queue.bytes <= 1000 + 400);
                for _ in 0..taken {
                    held.extend(receiver.try_recv().ok());
                }
            }
            held.extend(take(&mut receiver));
            held.into_iter().for_each(&mut check);
        }
    }
}
