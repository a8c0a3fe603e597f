//! What is planned, and who may say what of it.

use stream_model::{MAX_SCHEDULED_OF_ONE, Schedule, ScheduleId, Scheduled};

use super::*;
use crate::announcement::content::{Update, Updated};

/// A clock that can be right.
const NOW: WallTime = WallTime(1_800_000_000_000);

fn plan(title: &str, starts_at: u64) -> Schedule {
    Schedule { title: title.into(), description: "long".into(), starts_at: WallTime(starts_at) }
}

fn called(of: Updated, title: &str) -> Announcement {
    Announcement::Update(Update { of, title: Some(title.into()), description: None, starts_at: None })
}

impl Fixture {
    fn plan(&mut self, author: FeedId, starts_at: u64) -> ScheduleId {
        let changes = self.say(author, &Announcement::Schedule(plan("talk", starts_at))).unwrap();
        match changes.first() {
            Some(DirectoryChange::Schedule(id)) => *id,
            other => panic!("{other:?}"),
        }
    }

    fn upcoming(&self) -> Vec<Scheduled> {
        self.index.upcoming(self.now, NOW)
    }

    fn planned(&self) -> Vec<ScheduleId> {
        self.upcoming().into_iter().map(|scheduled| scheduled.id).collect()
    }
}

#[test]
fn what_is_planned_is_listed_by_its_time_until_it_begins_or_is_called_off() {
    let mut it = Fixture::new();
    let late = it.plan(AUTHOR, NOW.0 + 2_000);
    let soon = it.plan(OWN, NOW.0 + 1_000);
    let off = it.plan(STRANGER, NOW.0 + 3_000);
    assert_eq!(it.planned(), [soon, late, off]);
    let shown = &it.upcoming()[1];
    assert_eq!((&*shown.title, &*shown.description, shown.author, shown.own), ("talk", "long", AUTHOR, false));
    assert!(it.upcoming()[0].own);

    assert_eq!(it.say(STRANGER, &Announcement::Cancel { schedule: off }), Ok(vec![DirectoryChange::Schedule(off)]));
    let start = BroadcastStart { schedule: Some(late), ..start("begun") };
    let changes = it.say(AUTHOR, &Announcement::Broadcast { start, feed: FEED }).unwrap();
    assert!(changes.contains(&DirectoryChange::Schedule(late)), "{changes:?}");
    assert_eq!(it.planned(), [soon]);
}

#[test]
fn only_its_author_changes_calls_off_and_fulfils_a_plan() {
    let mut it = Fixture::new();
    let id = it.plan(AUTHOR, NOW.0);
    assert_eq!(it.say(STRANGER, &called(Updated::Schedule(id), "mine")), Err(Ignored::NotAllowed));
    assert_eq!(it.say(STRANGER, &Announcement::Cancel { schedule: id }), Err(Ignored::NotAllowed));
    let start = BroadcastStart { schedule: Some(id), ..start("begun") };
    it.say(STRANGER, &Announcement::Broadcast { start, feed: FEED }).unwrap();
    assert_eq!(it.upcoming()[0].title, "talk");
    let nothing = ScheduleId(MessageKey([0xff; 32]));
    assert_eq!(it.say(AUTHOR, &called(Updated::Schedule(nothing), "x")), Err(Ignored::UnknownBroadcast));
    assert_eq!(it.say(AUTHOR, &Announcement::Cancel { schedule: nothing }), Err(Ignored::UnknownBroadcast));
}

#[test]
fn of_updates_the_one_counts_that_its_author_said_last() {
    let mut it = Fixture::new();
    let id = it.plan(AUTHOR, NOW.0);
    let later = Update {
        of: Updated::Schedule(id),
        title: None,
        description: Some(String::new()),
        starts_at: Some(NOW.after(Duration::from_secs(60))),
    };
    assert_eq!(it.say(AUTHOR, &called(Updated::Schedule(id), "keynote")), Ok(vec![DirectoryChange::Schedule(id)]));
    it.say(AUTHOR, &Announcement::Update(later)).unwrap();
    let shown = &it.upcoming()[0];
    assert_eq!((&*shown.title, &*shown.description), ("keynote", ""));
    assert_eq!(shown.starts_at, NOW.after(Duration::from_secs(60)));

    it.messages = 1;
    assert_eq!(it.say(AUTHOR, &called(Updated::Schedule(id), "old")), Err(Ignored::Repeated));
    assert_eq!(it.upcoming()[0].title, "keynote");
}

#[test]
fn a_broadcast_is_called_otherwise_by_its_author_also_after_its_end() {
    let mut it = Fixture::new();
    let id = it.announce(AUTHOR, FEED);
    let title = |it: &Fixture| it.index.listing(&id).unwrap().title;
    assert_eq!(
        it.say(AUTHOR, &called(Updated::Broadcast(id), "second half")),
        Ok(vec![DirectoryChange::Broadcast(id)])
    );
    assert_eq!(title(&it), "second half");
    it.end(id, AUTHOR, 0).unwrap();
    it.say(AUTHOR, &called(Updated::Broadcast(id), "the match")).unwrap();
    assert_eq!(title(&it), "the match");
    assert_eq!(it.say(STRANGER, &called(Updated::Broadcast(id), "mine")), Err(Ignored::NotAllowed));
    assert_eq!(title(&it), "the match");
    let nothing = BroadcastId(MessageKey([0xff; 32]));
    assert_eq!(it.say(AUTHOR, &called(Updated::Broadcast(nothing), "x")), Err(Ignored::UnknownBroadcast));
}

#[test]
fn what_is_long_past_falls_away_by_a_clock_that_can_be_right_and_else_by_its_arrival() {
    let mut it = Fixture::new();
    let id = it.plan(AUTHOR, NOW.0);
    let late = NOW.after(SHOWN_AFTER_START);
    assert_eq!(it.index.upcoming(it.now, late).len(), 1);
    assert!(it.index.upcoming(it.now, late.after(Duration::from_millis(1))).is_empty());

    let wrong = WallTime(1_000);
    assert_eq!(it.index.upcoming(it.now, wrong).len(), 1);
    let soon = it.now + SHOWN_AFTER_ARRIVAL - Duration::from_secs(1);
    assert_eq!(it.index.upcoming(soon, wrong)[0].id, id);
    assert!(it.index.upcoming(it.now + SHOWN_AFTER_ARRIVAL, wrong).is_empty());
}

#[test]
fn an_author_of_too_many_plans_crowds_out_only_its_own() {
    let mut it = Fixture::new();
    let other = it.plan(STRANGER, NOW.0);
    let first = it.plan(AUTHOR, NOW.0 + 1);
    for n in 0..MAX_SCHEDULED_OF_ONE as u64 {
        it.plan(AUTHOR, NOW.0 + 2 + n);
    }
    let planned = it.planned();
    assert_eq!(planned.len(), 1 + MAX_SCHEDULED_OF_ONE);
    assert!(planned.contains(&other));
    assert!(!planned.contains(&first), "the one with the earliest time goes");
}

#[test]
fn plans_are_bounded_in_all_and_this_nodes_stay() {
    let mut it = Fixture::new();
    let mine = it.plan(OWN, NOW.0);
    for n in 0..=MAX_SCHEDULED as u64 {
        let mut author = [7; 32];
        author[..8].copy_from_slice(&(n / MAX_SCHEDULED_OF_ONE as u64).to_be_bytes());
        it.plan(FeedId(author), NOW.0 + n);
    }
    let planned = it.planned();
    assert_eq!(planned.len(), MAX_SCHEDULED);
    assert!(planned.contains(&mine));
}

#[test]
fn the_plans_of_authors_who_are_not_to_be_shown_are_forgotten() {
    let mut it = Fixture::new();
    let id = it.plan(AUTHOR, NOW.0);
    let kept = it.plan(STRANGER, NOW.0);
    let (_, changes) = it.index.forget_authors(&[AUTHOR].into());
    assert_eq!(changes, [DirectoryChange::Schedule(id)]);
    assert_eq!(it.planned(), [kept]);
}
