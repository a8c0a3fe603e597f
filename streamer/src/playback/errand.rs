//! What neighbours ask for beyond the live edge: who rewinds behind this node, or plays an archive, gets it through this node
//! though nobody here watches it.
//!
//! Only what a known broadcast announced is fetched, or what its archives list. It is kept as the gateway keeps what people
//! ask for: as a cache that is the first to make room.

use std::collections::HashSet;

use stream_model::{
    ArchiveKind, ArchiveManifest, Cid, Claim, Listing, MediaSegment, MediaSequence, NeighbourWant, PeerId,
};

use super::fetching::{INIT_BYTES, SEGMENT_BYTES};
use super::library::ReadError;
use super::{Shared, WHOLE};

/// Something to fetch for a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    /// A segment or an initialization section.
    File { root: Cid, providers: Vec<PeerId>, max_bytes: u64 },
    /// The manifest of an archive, with its playlist.
    Archive(Box<(Listing, ArchiveManifest)>),
}

impl Shared {
    /// What there is to fetch for these wants: all that a broadcast announced or archived, and that is not here.
    pub(super) async fn identify(&self, wants: Vec<NeighbourWant>) -> Vec<Errand> {
        let mut open = HashSet::new();
        for want in wants {
            if !self.ports.store.holds(&want.cid).await {
                open.insert(want.cid);
            }
        }
        let mut found = Vec::new();
        for listing in self.ports.directory.listings() {
            if open.is_empty() {
                break;
            }
            if listing.own || !listing.archive {
                continue;
            }
            for archive in self.ports.directory.archives(&listing.id) {
                if open.remove(&archive.manifest) {
                    found.push(Errand::Archive(Box::new((listing.clone(), archive))));
                }
            }
            let segments = self.ports.directory.segments(&listing.id, MediaSequence(0), WHOLE);
            let files: Vec<_> = segments.iter().flat_map(|segment| take(&mut open, segment)).collect();
            self.add_files(&mut found, &listing, files);
        }
        for cid in open.iter().copied().collect::<Vec<_>>() {
            match self.catalog.known_content(cid).await {
                Ok(Some((id, segment))) => {
                    if let Some(listing) = self.ports.directory.listing(&id) {
                        self.add_files(&mut found, &listing, take(&mut open, &segment));
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "cannot look up what a neighbour asks for"),
            }
        }
        found
    }

    /// Who has a broadcast is asked only where something of it is wanted.
    fn add_files(&self, found: &mut Vec<Errand>, listing: &Listing, files: Vec<(Cid, u64)>) {
        if files.is_empty() {
            return;
        }
        let providers = self.providers(listing);
        let errand = |(root, max_bytes)| Errand::File { root, providers: providers.clone(), max_bytes };
        found.extend(files.into_iter().map(errand));
    }

    /// Fetches it. Whoever asked gets it as it arrives.
    pub(super) async fn run_errand(&self, errand: Errand) {
        // Never closed: there is a place in the end.
        let _permit = self.relayed_fetches.acquire().await;
        let done = match errand {
            Errand::File { root, providers, max_bytes } => self
                .fetch_root(root, Claim::Gateway(root), &providers, max_bytes)
                .await
                .map(drop)
                .map_err(ReadError::from),
            Errand::Archive(archive) => {
                let (listing, archive) = *archive;
                match archive.kind {
                    ArchiveKind::Hour => self.read_hour(&listing, &archive).await,
                    ArchiveKind::Day | ArchiveKind::Broadcast => self.look_up(&listing, &archive).await.map(|_| ()),
                }
            }
        };
        match done {
            Ok(()) => metrics::counter!("meshstream_errands_total").increment(1),
            Err(error) => tracing::debug!(%error, "cannot get what a neighbour asks for"),
        }
    }
}

/// What of a segment is wanted, and how large it may be; it is not open any more then.
fn take(open: &mut HashSet<Cid>, segment: &MediaSegment) -> Vec<(Cid, u64)> {
    let files = [(segment.segment, SEGMENT_BYTES), (segment.init, INIT_BYTES)];
    files.into_iter().filter(|(root, _)| open.remove(root)).collect()
}
