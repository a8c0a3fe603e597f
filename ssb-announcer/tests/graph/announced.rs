//! What the broadcasts of these tests announce.

use std::time::Duration;

use multihash_codetable::{Code, MultihashDigest as _};
use stream_model::{
    BroadcastEnd, BroadcastId, BroadcastStart, Cid, DiscontinuitySequence, EndReason, MediaSegment, MediaSequence,
    Tracks, WallTime,
};

/// No test waits for anything but work on this machine.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

pub(crate) fn cid(text: &str) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(text.as_bytes()))
}

pub(crate) fn segment(sequence: u64) -> MediaSegment {
    MediaSegment {
        media_sequence: MediaSequence(sequence),
        discontinuity_sequence: DiscontinuitySequence(0),
        duration: Duration::from_secs(14),
        program_date_time: None,
        independent: true,
        segment: cid(&sequence.to_string()),
        init: cid("init"),
    }
}

pub(crate) fn start() -> BroadcastStart {
    BroadcastStart {
        title: "Gemeinderat".into(),
        description: String::new(),
        peer: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA".parse().unwrap(),
        target_duration: Duration::from_secs(15),
        tracks: Tracks { video: true, audio: true },
        archive: true,
        started_at: WallTime(1_700_000_000_000),
        schedule: None,
        rendition: None,
    }
}

pub(crate) fn end(broadcast: BroadcastId, media_sequence: u64) -> BroadcastEnd {
    BroadcastEnd { broadcast, media_sequence: MediaSequence(media_sequence), reason: EndReason::PublisherLeft }
}
