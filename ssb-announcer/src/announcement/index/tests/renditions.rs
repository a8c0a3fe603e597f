//! Which renditions of a broadcast count.

use stream_model::{MAX_RENDITIONS, Rendition, THUMBNAILS, Tiles, Variant};

use super::*;

impl Fixture {
    fn rendition(&mut self, author: FeedId, of: BroadcastId, name: &str, bandwidth: u64) -> BroadcastId {
        let variant = Variant { bandwidth, codecs: "mp4a.40.2".to_owned(), resolution: None };
        self.made(
            author,
            Rendition { of, name: name.to_owned(), variant: variant.clone(), original: variant, tiles: None },
        )
    }

    fn thumbnails(&mut self, author: FeedId, of: BroadcastId) -> BroadcastId {
        let variant = Variant { bandwidth: 9_000_000, codecs: "jpeg".to_owned(), resolution: Some((256, 144)) };
        let (name, tiles) = (THUMBNAILS.to_owned(), Some(Tiles { columns: 4, rows: 1 }));
        self.made(author, Rendition { of, name, variant: variant.clone(), original: variant, tiles })
    }

    fn made(&mut self, author: FeedId, rendition: Rendition) -> BroadcastId {
        let name = rendition.name.clone();
        let mut feed = [20; 32];
        feed[..8].copy_from_slice(&self.messages.to_be_bytes());
        let start = BroadcastStart { rendition: Some(rendition), ..start(&name) };
        let changes = self.say(author, &Announcement::Broadcast { start, feed: FeedId(feed) }).unwrap();
        match changes.last() {
            Some(DirectoryChange::Broadcast(id)) => *id,
            other => panic!("{other:?}"),
        }
    }

    fn renditions(&self, of: &BroadcastId) -> Vec<BroadcastId> {
        self.index.renditions(of).into_iter().map(|listing| listing.id).collect()
    }
}

#[test]
fn renditions_are_those_of_the_author_the_newest_of_each_name_the_largest_first() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    let _older = it.rendition(AUTHOR, original, "480p", 700_000);
    let sound = it.rendition(AUTHOR, original, "Sound", 96_000);
    let picture = it.rendition(AUTHOR, original, "480p", 800_000);
    let _forged = it.rendition(STRANGER, original, "1080p", 5_000_000);
    assert_eq!(it.renditions(&original), [picture, sound]);
}

#[test]
fn renditions_of_others_count_from_this_node_and_from_whom_it_follows_behind_the_authors() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    let theirs = it.rendition(STRANGER, original, "480p", 800_000);
    it.index.set_followed(BTreeSet::from([STRANGER]));
    assert_eq!(it.renditions(&original), [theirs]);
    let own = it.rendition(OWN, original, "480p", 700_000);
    assert_eq!(it.renditions(&original), [own], "with nobody between");
    let authors = it.rendition(AUTHOR, original, "480p", 600_000);
    let sound = it.rendition(STRANGER, original, "Sound", 96_000);
    let _newer = it.rendition(OWN, original, "480p", 700_000);
    assert_eq!(it.renditions(&original), [authors, sound]);
    it.index.set_followed(BTreeSet::new());
    assert_eq!(it.renditions(&original), [authors]);
}

#[test]
fn a_rendition_has_none_and_those_of_the_unknown_are_none() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    let sound = it.rendition(AUTHOR, original, "Sound", 96_000);
    it.rendition(AUTHOR, sound, "Less", 48_000);
    assert_eq!(it.renditions(&sound), []);
    assert_eq!(it.renditions(&BroadcastId(MessageKey([9; 32]))), []);
}

#[test]
fn more_than_a_ladder_has_are_left_out_from_the_smallest() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    let all: Vec<_> =
        (0..10).map(|number| it.rendition(AUTHOR, original, &number.to_string(), 1_000 - number)).collect();
    assert_eq!(it.renditions(&original), all[..MAX_RENDITIONS]);
}

#[test]
fn what_takes_a_broadcast_back_takes_back_its_renditions() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    let sound = it.rendition(AUTHOR, original, "Sound", 96_000);
    let others = it.rendition(STRANGER, original, "1080p", 5_000_000);
    it.say(AUTHOR, &Announcement::Withdraw { broadcast: original, reason: "sorry".into() }).unwrap();
    let withdrawn = |id| it.index.standing(&id).withdrawn;
    assert_eq!(withdrawn(original).as_deref(), Some("sorry"));
    assert_eq!(withdrawn(sound).as_deref(), Some("sorry"));
    assert_eq!(withdrawn(others).as_deref(), Some("sorry"), "whoever made it");
}

#[test]
fn pictures_to_look_through_a_broadcast_with_are_no_rendition_to_choose_from() {
    let mut it = Fixture::new();
    let original = it.announce(AUTHOR, FEED);
    assert_eq!(it.index.thumbnails(&original), None);
    let _older = it.thumbnails(AUTHOR, original);
    let thumbnails = it.thumbnails(AUTHOR, original);
    let _forged = it.thumbnails(STRANGER, original);
    it.index.set_followed(BTreeSet::from([STRANGER]));
    let sound = it.rendition(AUTHOR, original, "Sound", 96_000);
    assert_eq!(it.index.thumbnails(&original).map(|listing| listing.id), Some(thumbnails));
    assert_eq!(it.index.thumbnails(&sound), None);
    assert_eq!(it.renditions(&original), [sound]);
}
