//! What is planned, and what broadcasts and plans are called: the author's latest word counts.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use stream_model::{
    DirectoryChange, FeedId, FeedSequence, MAX_SCHEDULED_OF_ONE, Schedule, ScheduleId, Scheduled, WallTime,
};

use super::{Ignored, Index};
use crate::announcement::content::{Update, Updated};
use crate::feed::Message;

/// Plans remembered in all, at most 9 KB each, as a rule some hundred bytes; those of whoever has the most make room.
pub const MAX_SCHEDULED: usize = 1_000;
/// How long after its time what has not begun is still shown: speakers are late, and clocks differ.
pub const SHOWN_AFTER_START: Duration = Duration::from_secs(6 * 60 * 60);
/// How long after its arrival, or a start of this node, a plan is shown by a node whose clock cannot be right: as far ahead as
/// people plan.
pub const SHOWN_AFTER_ARRIVAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// 2026-11-01T00:00:00Z. This program did not exist before: a clock that says so is wrong.
const EARLIEST: WallTime = WallTime(1_793_491_200_000);

/// A broadcast that is planned.
#[derive(Debug)]
pub(super) struct Planned {
    author: FeedId,
    schedule: Schedule,
    /// Number of the author's message that says so.
    said_at: FeedSequence,
    heard: Instant,
    /// Position in the order of arrival.
    order: u64,
}

impl Planned {
    /// `wall` is the time now, as this machine has it.
    fn is_past(&self, now: Instant, wall: WallTime) -> bool {
        if wall >= EARLIEST {
            wall > self.schedule.starts_at.after(SHOWN_AFTER_START)
        } else {
            now.saturating_duration_since(self.heard) >= SHOWN_AFTER_ARRIVAL
        }
    }
}

impl Index {
    pub(super) fn handle_schedule(
        &mut self,
        message: &Message,
        schedule: Schedule,
        now: Instant,
    ) -> Result<Vec<DirectoryChange>, Ignored> {
        let id = ScheduleId(message.key);
        if self.planned.contains_key(&id) {
            return Err(Ignored::Repeated);
        }
        let order = self.next_order;
        self.next_order += 1;
        let (author, said_at) = (message.author, message.sequence);
        self.planned.insert(id, Planned { author, schedule, said_at, heard: now, order });
        let forgotten = self.forget_a_plan(author);
        Ok([id].into_iter().chain(forgotten).map(DirectoryChange::Schedule).collect())
    }

    /// The last one counts, by the order in the author's feed.
    pub(super) fn handle_update(&mut self, message: &Message, update: Update) -> Result<Vec<DirectoryChange>, Ignored> {
        let Update { of, title, description, starts_at } = update;
        let (author, said_at, change) = match of {
            Updated::Broadcast(id) => {
                let broadcast = self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
                (broadcast.author, &mut broadcast.called_at, DirectoryChange::Broadcast(id))
            }
            Updated::Schedule(id) => {
                let planned = self.planned.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?;
                (planned.author, &mut planned.said_at, DirectoryChange::Schedule(id))
            }
        };
        if author != message.author {
            return Err(Ignored::NotAllowed);
        }
        if *said_at >= message.sequence {
            return Err(Ignored::Repeated);
        }
        *said_at = message.sequence;
        let (known_title, known_description) = match of {
            Updated::Broadcast(id) => {
                let start = &mut self.broadcasts.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?.start;
                (&mut start.title, &mut start.description)
            }
            Updated::Schedule(id) => {
                let schedule = &mut self.planned.get_mut(&id).ok_or(Ignored::UnknownBroadcast)?.schedule;
                schedule.starts_at = starts_at.unwrap_or(schedule.starts_at);
                (&mut schedule.title, &mut schedule.description)
            }
        };
        if let Some(title) = title {
            *known_title = title;
        }
        if let Some(description) = description {
            *known_description = description;
        }
        Ok(vec![change])
    }

    pub(super) fn handle_cancel(&mut self, id: ScheduleId, author: FeedId) -> Result<Vec<DirectoryChange>, Ignored> {
        let planned = self.planned.get(&id).ok_or(Ignored::UnknownBroadcast)?;
        if planned.author != author {
            return Err(Ignored::NotAllowed);
        }
        self.planned.remove(&id);
        Ok(vec![DirectoryChange::Schedule(id)])
    }

    /// A broadcast of the author has begun with it.
    pub(super) fn fulfil(&mut self, id: ScheduleId, author: FeedId) -> Option<DirectoryChange> {
        self.handle_cancel(id, author).ok()?.pop()
    }

    /// What is planned, the next first, but for what is long past. `wall` is the time now, as this machine has it.
    pub fn upcoming(&self, now: Instant, wall: WallTime) -> Vec<Scheduled> {
        let current = self.planned.iter().filter(|(_, planned)| !planned.is_past(now, wall));
        let mut upcoming: Vec<Scheduled> = current.map(|(id, planned)| self.scheduled(*id, planned)).collect();
        upcoming.sort_unstable_by_key(|scheduled| (scheduled.starts_at, scheduled.id));
        upcoming
    }

    /// What this node plans as `id`, past or not.
    pub fn own_plan(&self, id: &ScheduleId) -> Option<Schedule> {
        let planned = self.planned.get(id).filter(|planned| planned.author == self.own)?;
        Some(planned.schedule.clone())
    }

    fn scheduled(&self, id: ScheduleId, planned: &Planned) -> Scheduled {
        Scheduled {
            id,
            author: planned.author,
            own: planned.author == self.own,
            title: planned.schedule.title.clone(),
            description: planned.schedule.description.clone(),
            starts_at: planned.schedule.starts_at,
        }
    }

    pub(super) fn forget_planned(&mut self, authors: &BTreeSet<FeedId>) -> Vec<DirectoryChange> {
        let theirs = self.planned.extract_if(|_, planned| authors.contains(&planned.author));
        theirs.map(|(id, _)| DirectoryChange::Schedule(id)).collect()
    }

    /// Keeps the plans of `author`, and all of them, within their bounds: the ones with the earliest time go.
    fn forget_a_plan(&mut self, author: FeedId) -> Option<ScheduleId> {
        let mut counts: HashMap<FeedId, usize> = HashMap::new();
        for planned in self.planned.values() {
            *counts.entry(planned.author).or_default() += 1;
        }
        let of_author = counts.get(&author).copied().unwrap_or(0);
        let loser = if of_author > MAX_SCHEDULED_OF_ONE {
            author
        } else if self.planned.len() > MAX_SCHEDULED {
            counts.into_iter().max_by_key(|(one, count)| (*one != self.own, *count, *one)).map(|(one, _)| one)?
        } else {
            return None;
        };
        let theirs = self.planned.iter().filter(|(_, planned)| planned.author == loser);
        let first = theirs.min_by_key(|(_, planned)| (planned.schedule.starts_at, planned.order)).map(|(id, _)| *id)?;
        self.planned.remove(&first);
        Some(first)
    }
}
