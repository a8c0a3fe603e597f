//! Archives in the directory.

use super::*;

pub(super) fn archive(broadcast: BroadcastId, kind: ArchiveKind, first: u64, last: u64) -> ArchiveManifest {
    ArchiveManifest {
        broadcast,
        kind,
        period: None,
        first_media_sequence: MediaSequence(first),
        last_media_sequence: MediaSequence(last),
        manifest: cid(&format!("{kind} {first} to {last}")),
        duration: Duration::from_secs(14 * (last + 1 - first)),
        bytes: 1_000,
    }
}

impl Fixture {
    fn keep(&mut self, author: FeedId, archive: &ArchiveManifest) -> Result<Vec<DirectoryChange>, Ignored> {
        self.say(author, &Announcement::Archive(archive.clone()))
    }
}

#[test]
fn archives_are_listed_by_kind_and_order_and_change_the_broadcast() {
    let mut fixture = Fixture::new();
    let id = fixture.announce(AUTHOR, FEED);
    let [first, second] = [(0, 239), (240, 300)].map(|(first, last)| archive(id, ArchiveKind::Hour, first, last));
    let whole = archive(id, ArchiveKind::Broadcast, 0, 300);
    fixture.end(id, AUTHOR, 301).unwrap();
    for one in [&whole, &second, &first] {
        assert_eq!(fixture.keep(AUTHOR, one), Ok(vec![DirectoryChange::Broadcast(id)]));
    }
    assert_eq!(fixture.index.archives(&id), [first.clone(), second, whole]);
    assert_eq!(fixture.keep(AUTHOR, &first), Err(Ignored::Repeated));
}

#[test]
fn only_the_author_archives_and_only_what_was_broadcast() {
    let mut fixture = Fixture::new();
    let id = fixture.announce(AUTHOR, FEED);
    let hour = archive(id, ArchiveKind::Hour, 0, 9);
    assert_eq!(fixture.keep(STRANGER, &hour), Err(Ignored::NotAllowed));
    assert_eq!(fixture.keep(FEED, &hour), Err(Ignored::NotAllowed));
    fixture.end(id, AUTHOR, 9).unwrap();
    assert_eq!(fixture.keep(AUTHOR, &hour), Err(Ignored::OutOfRange));
    let unknown = archive(BroadcastId(MessageKey([9; 32])), ArchiveKind::Hour, 0, 0);
    assert_eq!(fixture.keep(AUTHOR, &unknown), Err(Ignored::UnknownBroadcast));
    assert!(fixture.index.archives(&id).is_empty());
}

#[test]
fn of_two_archives_with_one_beginning_the_longer_counts() {
    let mut fixture = Fixture::new();
    let id = fixture.announce(AUTHOR, FEED);
    let [short, long] = [5, 9].map(|last| archive(id, ArchiveKind::Hour, 0, last));
    fixture.keep(AUTHOR, &short).unwrap();
    fixture.keep(AUTHOR, &long).unwrap();
    assert_eq!(fixture.keep(AUTHOR, &short), Err(Ignored::Conflicting));
    assert_eq!(fixture.index.archives(&id), [long]);
}

#[test]
fn an_author_of_too_many_archives_loses_the_oldest_hours() {
    let mut fixture = Fixture::new();
    let id = fixture.announce(AUTHOR, FEED);
    for first in 0..=MAX_ARCHIVES_PER_BROADCAST as u64 {
        fixture.keep(AUTHOR, &archive(id, ArchiveKind::Hour, first, first)).unwrap();
    }
    let kept = fixture.index.archives(&id);
    assert_eq!((kept.len(), kept[0].first_media_sequence), (MAX_ARCHIVES_PER_BROADCAST, MediaSequence(1)));
    fixture.index.forget_authors(&BTreeSet::from([AUTHOR]));
    assert_eq!(fixture.index.archives, 0);
}
