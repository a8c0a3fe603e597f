//! Tells of a camera in the log.

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use streamer::camera::Event;
use tracing::{info, warn};

/// How often it is told that all is well, and how often that it is not.
const TELL: Duration = Duration::from_secs(60);

/// What was told of a camera, and when.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: Option<Instant>,
    /// When it was told last that pictures are left out, and how many were.
    warned: Option<Instant>,
    dropped: u64,
}

impl Telling {
    pub(crate) fn handle(&mut self, event: &Event) {
        let is_due = |told: Option<Instant>| told.is_none_or(|told| told.elapsed() >= TELL);
        match event {
            Event::Started { encoder } => {
                (self.told, self.dropped) = (None, 0);
                info!(encoder = encoder.as_deref().unwrap_or("none"), "starting");
            }
            &Event::Progress { pictures, dropped, bytes } => {
                if is_due(self.told) {
                    self.told = Some(Instant::now());
                    info!(pictures, dropped, bytes = %ByteSize(bytes), "publishing");
                }
                if dropped > self.dropped && is_due(self.warned) {
                    self.warned = Some(Instant::now());
                    warn!(
                        dropped,
                        "pictures are left out: the encoder or the way to the node does not keep up; take a smaller size, rate or bitrate"
                    );
                }
                self.dropped = dropped;
            }
            Event::Again { trouble, wait } => warn!(%trouble, again_in_s = wait.as_secs(), "the camera stopped"),
        }
    }
}
