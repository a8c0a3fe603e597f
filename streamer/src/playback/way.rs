//! The way on which a broadcast and its renditions come here: how fast, and which of them it carries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use stream_model::{BroadcastId, Cid};
use tokio::time::Instant;

use super::ceiling::Ceiling;
use super::lock;
use super::throughput::Throughput;
use super::variants::Member;
use super::wants::Came;

/// How long what one way carries is good for what comes next.
const REMEMBERED: Duration = Duration::from_secs(600);
/// What comes in such a part of the time that it plays came easily.
const EASILY: u32 = 3;

/// Shared by all who follow the broadcast or one of its renditions. Time is a monotonic [`Duration`] since some fixed point.
#[derive(Debug)]
pub(super) struct Way(Mutex<(Throughput, Ceiling)>);

impl Way {
    /// `estimate` was measured elsewhere before, in bit/s.
    fn new(estimate: Option<f64>) -> Self {
        Self(Mutex::new((Throughput::new(estimate), Ceiling::default())))
    }

    /// bit/s.
    fn estimate(&self) -> Option<f64> {
        lock(&self.0).0.estimate()
    }

    /// The highest rate that is let through, in bit/s; `None` while nothing is known.
    pub(super) fn ceiling(&self) -> Option<u64> {
        lock(&self.0).1.bandwidth()
    }

    /// A fetch begins; `anew` where nothing of it is here from an earlier try.
    pub(super) fn handle_begun(&self, root: Cid, anew: bool, now: Duration) {
        lock(&self.0).0.handle_begun(root, anew, now);
    }

    /// What is fetched now.
    pub(super) fn running(&self) -> Vec<Cid> {
        lock(&self.0).0.running().copied().collect()
    }

    /// So many bytes of it are here.
    pub(super) fn handle_progress(&self, root: &Cid, bytes: u64, now: Duration) {
        lock(&self.0).0.handle_progress(root, bytes, now);
    }

    /// It is over: all of it is here, so many bytes, or it was given up.
    pub(super) fn handle_over(&self, root: &Cid, whole: Option<u64>, now: Duration) {
        lock(&self.0).0.handle_over(root, whole, now);
    }

    /// What follows from what was measured since, for these. The ceiling, where it is another now.
    pub(super) fn handle_measured(&self, family: &[Member]) -> Option<u64> {
        let (throughput, ceiling) = &mut *lock(&self.0);
        let changed = ceiling.handle_measured(throughput.estimate()?, &ladder(family));
        ceiling.bandwidth().filter(|_| changed)
    }

    /// A segment came. The one of these to measure with, where it is time for that.
    pub(super) fn handle_came(&self, came: Came, family: &[Member]) -> Option<Member> {
        let easily = came.took * EASILY <= came.media;
        let next = lock(&self.0).1.handle_fetched(easily, &ladder(family))?;
        family.iter().find(|member| member.bandwidth == next).copied()
    }
}

/// The ways of all broadcasts that are followed.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// By the broadcast that the others are renditions of.
    used: HashMap<BroadcastId, Weak<Way>>,
    /// What the last to be measured carries, in bit/s, and when that was.
    measured: Option<(f64, Instant)>,
}

impl Ways {
    /// That of a broadcast and its renditions, where one of them is followed.
    pub(super) fn get(&self, original: &BroadcastId) -> Option<Arc<Way>> {
        self.used.get(original).and_then(Weak::upgrade)
    }

    /// That of a broadcast and its renditions, for one that is followed from now on.
    pub(super) fn join(&mut self, original: BroadcastId) -> Arc<Way> {
        if let Some(known) = self.get(&original) {
            return known;
        }
        self.used.retain(|_, way| way.strong_count() > 0);
        let way = Arc::new(Way::new(self.measured()));
        self.used.insert(original, Arc::downgrade(&way));
        way
    }

    /// What a way carried a while ago, in bit/s: most nodes have one to all others.
    pub(super) fn measured(&self) -> Option<f64> {
        let (estimate, at) = self.measured?;
        (at.elapsed() < REMEMBERED).then_some(estimate)
    }

    /// Remembers what one of them carries.
    pub(super) fn note_measured(&mut self, way: &Way) {
        if let Some(estimate) = way.estimate() {
            self.measured = Some((estimate, Instant::now()));
        }
    }
}

fn ladder(family: &[Member]) -> Vec<u64> {
    family.iter().map(|member| member.bandwidth).collect()
}
