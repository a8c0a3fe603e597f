//! Publications of one stream name, one after the other, through the segmenter onto the stage. Never waits for what
//! lies behind.

use std::sync::Arc;

use stream_model::{StreamName, Tracks};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Shared;
use super::stage::{Candidate, Entrance};
use crate::media::{MediaEvent, Publication};
use crate::segmenter::{Output, Segmenter};

/// Whether somebody publishes, and what.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    /// Counts the changes.
    pub(super) version: u64,
    /// Since when nobody does.
    pub(super) absent_since: Option<Instant>,
    /// The tracks of the publication, once known.
    pub(super) tracks: Option<Tracks>,
    /// The title of the publication.
    pub(super) title: Option<String>,
}

/// One stream name's publications.
#[derive(Debug)]
pub(super) struct Cutter {
    shared: Arc<Shared>,
    name: StreamName,
    segmenter: Segmenter,
    entrance: Entrance,
    publications: mpsc::Receiver<Publication>,
    presence: watch::Sender<Presence>,
    /// The version of the presence at which the keeper had nothing left to do.
    settled: watch::Receiver<Option<u64>>,
    /// A publication came before, perhaps before a restart of the node.
    continues: bool,
}

/// Why a publication is over.
enum Ended {
    /// The publisher left.
    Left,
    /// A new publication under the name replaces it.
    TakenOver(Publication),
    /// The node stops.
    Stopping,
}

impl Cutter {
    /// The cutter, and its keeper's ends of the channels between them.
    pub(super) fn new(
        shared: Arc<Shared>,
        name: StreamName,
        entrance: Entrance,
        publications: mpsc::Receiver<Publication>,
        continues: bool,
    ) -> (Self, watch::Receiver<Presence>, watch::Sender<Option<u64>>) {
        let absent = Presence { version: 0, absent_since: Some(Instant::now()), tracks: None, title: None };
        let (presence, presence_seen) = watch::channel(absent);
        let (settled, settled_seen) = watch::channel(None);
        let segmenter = Segmenter::new(shared.config.segmenter.clone());
        let settled_seen: watch::Receiver<Option<u64>> = settled_seen;
        let cutter =
            Self { shared, name, segmenter, entrance, publications, presence, settled: settled_seen, continues };
        (cutter, presence_seen, settled)
    }

    /// Until the node stops, or the stream name has nothing going on.
    pub(super) async fn run(mut self) {
        let stopping = self.shared.stopping.clone();
        let mut next = None;
        loop {
            let publication = match next.take() {
                Some(publication) => publication,
                None => tokio::select! {
                    biased;
                    () = stopping.cancelled() => return,
                    publication = self.publications.recv() => match publication {
                        Some(publication) => publication,
                        None => return,
                    },
                    () = idle(&mut self.settled, self.presence.borrow().version) => {
                        // Whoever was dispatched here meanwhile is still served; the next finds the channel closed.
                        self.publications.close();
                        match self.publications.recv().await {
                            Some(publication) => publication,
                            None => return,
                        }
                    }
                },
            };
            match self.publish(publication).await {
                Ended::Left => {}
                Ended::TakenOver(publication) => next = Some(publication),
                Ended::Stopping => return,
            }
        }
    }

    async fn publish(&mut self, publication: Publication) -> Ended {
        let Publication { name: _, title, mut events } = publication;
        if self.continues {
            self.segmenter.discontinuity();
            self.drain(None, title.as_ref());
        }
        self.continues = true;
        self.tell(None, None, title.clone());
        tracing::info!(stream = %self.name, "publisher is there");

        let stopping = self.shared.stopping.clone();
        let mut tracks = None;
        let mut open = true;
        let ended = loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break Ended::Stopping,
                event = events.recv() => match event {
                    Some(event) => tracks = self.handle(event, tracks, title.as_ref()),
                    None => break Ended::Left,
                },
                next = self.publications.recv(), if open => match next {
                    Some(publication) => break Ended::TakenOver(publication),
                    None => open = false,
                },
            }
        };
        // What was received already is not lost; nothing more gets in.
        events.close();
        while let Ok(event) = events.try_recv() {
            tracks = self.handle(event, tracks, title.as_ref());
        }
        self.segmenter.finish();
        self.drain(tracks, title.as_ref());
        self.tell(Some(Instant::now()), None, None);
        tracing::info!(stream = %self.name, "publisher has left");
        ended
    }

    fn handle(&mut self, event: MediaEvent, tracks: Option<Tracks>, title: Option<&String>) -> Option<Tracks> {
        self.segmenter.handle(event);
        self.drain(tracks, title)
    }

    fn drain(&mut self, mut tracks: Option<Tracks>, title: Option<&String>) -> Option<Tracks> {
        while let Some(output) = self.segmenter.poll_output() {
            match output {
                Output::TracksKnown(known) => {
                    tracks = Some(known);
                    self.tell(None, tracks, title.cloned());
                }
                Output::Segment(segment) => {
                    let Some(tracks) = tracks else { continue };
                    let complete_at = self.shared.trusted(self.shared.ports.clock.wall());
                    let candidate = Candidate { segment, tracks, title: title.cloned(), complete_at };
                    if !self.entrance.submit(candidate) {
                        metrics::counter!("meshstream_segments_dropped_total").increment(1);
                        tracing::warn!(stream = %self.name, "the store is too slow: a segment is lost");
                    }
                }
                Output::Warning(warning) => {
                    metrics::counter!("meshstream_publisher_warnings_total").increment(1);
                    tracing::warn!(stream = %self.name, "{warning}");
                }
                Output::Init(_) | Output::Part(_) => {}
            }
        }
        tracks
    }

    fn tell(&self, absent_since: Option<Instant>, tracks: Option<Tracks>, title: Option<String>) {
        self.presence.send_modify(|presence| {
            *presence = Presence { version: presence.version + 1, absent_since, tracks, title };
        });
    }
}

/// Until the keeper has nothing left to do as of a version of the presence.
async fn idle(settled: &mut watch::Receiver<Option<u64>>, version: u64) {
    if settled.wait_for(|settled| *settled == Some(version)).await.is_err() {
        // The keeper is gone: nobody takes segments.
        tracing::debug!("a stream's keeper ended before its cutter");
    }
}
