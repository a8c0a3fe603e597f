//! In which way a connection replicates: by EBT, or by histories where the peer does not. Pure: time is an argument.
//!
//! The dialling side calls `ebt.replicate` at once. A peer that refuses it, does not answer it, or has dialled and does
//! not call it, is asked for histories. When EBT begins after all, histories are given up.

use std::time::{Duration, Instant};

use super::session::Role;

/// How long a peer that dialled may take to call `ebt.replicate`, which those who know it do first of all, before its
/// manifest is looked at.
pub const LOOK_AT_MANIFEST_AFTER: Duration = Duration::from_secs(1);
/// How long a peer that should know EBT may take to send its first notes.
pub const GIVE_UP_EBT_AFTER: Duration = Duration::from_secs(10);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask the peer for its manifest.
    AskManifest,
    /// Ask for histories.
    Histories,
    /// EBT works: end the histories that were asked for.
    OnlyEbt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is decided; whether the manifest was asked for.
    Waiting {
        manifest_asked: bool,
    },
    Ebt,
    Histories,
}

/// The choice for one connection.
#[derive(Debug)]
pub struct Way {
    role: Role,
    began: Instant,
    state: State,
    pending: Option<Step>,
}

impl Way {
    /// Begins with the connection.
    pub fn new(role: Role, now: Instant) -> Self {
        Self { role, began: now, state: State::Waiting { manifest_asked: false }, pending: None }
    }

    /// The peer sent notes: it replicates by EBT.
    pub fn handle_notes(&mut self) {
        if self.state != State::Ebt {
            self.state = State::Ebt;
            self.pending = Some(Step::OnlyEbt);
        }
    }

    /// The peer refused or ended EBT, or its manifest does not have it.
    pub fn handle_no_ebt(&mut self) {
        self.choose_histories();
    }

    /// The peer calls `createHistoryStream`: peers with EBT do not, unless EBT has failed.
    pub fn handle_history_called(&mut self) {
        if self.role == Role::Callee && matches!(self.state, State::Waiting { .. }) {
            self.choose_histories();
        }
    }

    /// What to do next; `None` where there is nothing before [`Self::next_timeout`].
    pub fn poll_step(&mut self, now: Instant) -> Option<Step> {
        if self.next_timeout().is_some_and(|at| at <= now) {
            match (self.role, self.state) {
                (Role::Callee, State::Waiting { manifest_asked: false }) => {
                    self.state = State::Waiting { manifest_asked: true };
                    return Some(Step::AskManifest);
                }
                _ => self.choose_histories(),
            }
        }
        self.pending.take()
    }

    /// When [`Self::poll_step`] has something that it has not now.
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.role, self.state) {
            (_, State::Ebt | State::Histories) => None,
            (Role::Callee, State::Waiting { manifest_asked: false }) => Some(self.began + LOOK_AT_MANIFEST_AFTER),
            (_, State::Waiting { .. }) => Some(self.began + GIVE_UP_EBT_AFTER),
        }
    }

    fn choose_histories(&mut self) {
        if self.state != State::Histories {
            self.state = State::Histories;
            self.pending = Some(Step::Histories);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(role: Role) -> (Way, Instant) {
        let now = Instant::now();
        (Way::new(role, now), now)
    }

    #[test]
    fn where_the_peer_sends_notes_nothing_else_is_tried() {
        for role in [Role::Caller, Role::Callee] {
            let (mut way, now) = way(role);
            way.handle_notes();
            assert_eq!(way.poll_step(now), Some(Step::OnlyEbt));
            assert_eq!((way.poll_step(now + 2 * GIVE_UP_EBT_AFTER), way.next_timeout()), (None, None));
        }
    }

    #[test]
    fn a_peer_that_refuses_ebt_is_asked_for_histories_at_once() {
        let (mut way, now) = way(Role::Caller);
        assert_eq!(way.poll_step(now), None);
        way.handle_no_ebt();
        assert_eq!(way.poll_step(now), Some(Step::Histories));
        assert_eq!((way.poll_step(now), way.next_timeout()), (None, None));
    }

    #[test]
    fn a_peer_that_does_not_answer_is_asked_for_histories_until_it_does() {
        let (mut way, now) = way(Role::Caller);
        assert_eq!(way.poll_step(now + GIVE_UP_EBT_AFTER), Some(Step::Histories));
        way.handle_notes();
        assert_eq!(way.poll_step(now + GIVE_UP_EBT_AFTER), Some(Step::OnlyEbt));
    }

    #[test]
    fn of_a_peer_that_dialled_and_calls_nothing_the_manifest_decides_or_else_time() {
        let (mut way, now) = way(Role::Callee);
        assert_eq!(way.poll_step(now), None);
        assert_eq!(way.poll_step(now + LOOK_AT_MANIFEST_AFTER), Some(Step::AskManifest));
        assert_eq!(way.poll_step(now + LOOK_AT_MANIFEST_AFTER), None);
        assert_eq!(way.poll_step(now + GIVE_UP_EBT_AFTER), Some(Step::Histories));
    }

    #[test]
    fn a_peer_that_dialled_and_asks_for_histories_is_asked_for_them_too() {
        let (mut way, now) = way(Role::Callee);
        way.handle_history_called();
        assert_eq!(way.poll_step(now), Some(Step::Histories));
    }

    #[test]
    fn a_peer_that_we_dialled_may_ask_for_a_history_beside_ebt() {
        let (mut way, now) = way(Role::Caller);
        way.handle_history_called();
        assert_eq!(way.poll_step(now), None);
    }

    #[test]
    fn where_ebt_ends_half_way_histories_take_over() {
        let (mut way, now) = way(Role::Callee);
        way.handle_notes();
        assert_eq!(way.poll_step(now), Some(Step::OnlyEbt));
        way.handle_no_ebt();
        assert_eq!(way.poll_step(now), Some(Step::Histories));
    }
}
