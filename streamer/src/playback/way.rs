//! The way on which a broadcast and its renditions come here: how fast, and which of them it carries.

use std::sync::Mutex;
use std::time::Duration;

use stream_model::Cid;

use super::ceiling::Ceiling;
use super::lock;
use super::throughput::Throughput;
use super::variants::Member;
use super::wants::Came;

/// What comes in such a part of the time that it plays came easily.
const EASILY: u32 = 3;

/// Shared by all who follow the broadcast or one of its renditions. Time is a monotonic [`Duration`] since some fixed point.
#[derive(Debug)]
pub(super) struct Way(Mutex<(Throughput, Ceiling)>);

impl Way {
    /// `estimate` was measured elsewhere before, in bit/s.
    pub(super) fn new(estimate: Option<f64>) -> Self {
        Self(Mutex::new((Throughput::new(estimate), Ceiling::default())))
    }

    /// bit/s.
    pub(super) fn estimate(&self) -> Option<f64> {
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

fn ladder(family: &[Member]) -> Vec<u64> {
    family.iter().map(|member| member.bandwidth).collect()
}
