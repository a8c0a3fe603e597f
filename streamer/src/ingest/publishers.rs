//! Who publishes now: one publication to a name.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use stream_model::{StreamName, WallTime};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::meter::Meter;
use super::refused::Refused;
use crate::keys::KeyId;

/// A publisher at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Its stream name.
    pub name: StreamName,
    /// What it sends, kilobits a second over the last seconds.
    pub kbps: u64,
    /// Bytes since it began.
    pub bytes: u64,
    /// When it began, by this node's clock.
    pub since: WallTime,
}

/// A handle to the publishers of a listener.
#[derive(Debug, Clone, Default)]
pub struct Publishers {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<StreamName, Entry>,
    refused: Refused,
    next_session: u64,
}

#[derive(Debug)]
struct Entry {
    session: u64,
    key: KeyId,
    since: WallTime,
    meter: Arc<Mutex<Meter>>,
    stop: watch::Sender<Option<Stop>>,
    /// Cancelled when the session has ended.
    ended: CancellationToken,
}

/// Why a publication ends from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// Its own key publishes anew.
    #[error("another session with the same stream key took over")]
    TakenOver,
    /// Its key is no longer valid.
    #[error("the stream key was revoked")]
    Revoked,
    /// The owner ended its broadcast.
    #[error("the owner of this node ended the broadcast: stop publishing")]
    Ended,
}

/// Why a name cannot be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclaimed {
    /// It is being published under another key.
    Taken,
    /// The owner ended its broadcast, and its publisher has kept trying since.
    Ended,
}

/// The right to publish under a name, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    table: Arc<Mutex<Table>>,
    name: StreamName,
    session: u64,
    meter: Arc<Mutex<Meter>>,
    stop: watch::Receiver<Option<Stop>>,
    /// Ends of the session that this one took over from.
    predecessor: Option<CancellationToken>,
    _ended: DropGuard,
}

impl Publishers {
    /// The publishers of now, by name.
    pub fn list(&self) -> Vec<Publisher> {
        let now = Instant::now();
        let mut list: Vec<Publisher> = lock(&self.table)
            .entries
            .iter()
            .map(|(name, entry)| {
                let mut meter = lock(&entry.meter);
                Publisher { name: name.clone(), kbps: meter.kbps(now), bytes: meter.total(), since: entry.since }
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Claims a name. A session that has it under the same key is told to stop, and has lost it.
    pub(super) fn claim(&self, name: &StreamName, key: KeyId) -> Result<Claim, Unclaimed> {
        let mut table = lock(&self.table);
        if table.refused.handle_try(name, Instant::now()) {
            return Err(Unclaimed::Ended);
        }
        let mut predecessor = None;
        if let Some(entry) = table.entries.get(name) {
            if entry.key != key {
                return Err(Unclaimed::Taken);
            }
            entry.stop.send_replace(Some(Stop::TakenOver));
            predecessor = Some(entry.ended.clone());
        }
        let session = table.next_session;
        table.next_session += 1;
        let meter = Arc::new(Mutex::new(Meter::new(Instant::now())));
        let (stop, stopped) = watch::channel(None);
        let ended = CancellationToken::new();
        let entry =
            Entry { session, key, since: WallTime::now(), meter: Arc::clone(&meter), stop, ended: ended.clone() };
        table.entries.insert(name.clone(), entry);
        Ok(Claim {
            table: Arc::clone(&self.table),
            name: name.clone(),
            session,
            meter,
            stop: stopped,
            predecessor,
            _ended: ended.drop_guard(),
        })
    }

    /// Tells the publisher of a name to stop, and keeps it out until it has been quiet for a while, or is admitted.
    pub(crate) fn refuse(&self, name: &StreamName) {
        let mut table = lock(&self.table);
        table.refused.refuse(name, Instant::now());
        if let Some(entry) = table.entries.get(name) {
            entry.stop.send_replace(Some(Stop::Ended));
        }
    }

    /// Lets the publisher of a name in again.
    pub(crate) fn admit(&self, name: &StreamName) {
        lock(&self.table).refused.admit(name);
    }

    /// The names whose publishers are kept out.
    pub(crate) fn refused(&self) -> Vec<StreamName> {
        lock(&self.table).refused.names(Instant::now())
    }

    /// Tells all to stop whose key is not among `current`.
    pub(super) fn keep_only(&self, current: &HashSet<KeyId>) {
        for entry in lock(&self.table).entries.values().filter(|entry| !current.contains(&entry.key)) {
            entry.stop.send_replace(Some(Stop::Revoked));
        }
    }
}

impl Claim {
    pub(super) fn record(&self, bytes: usize) {
        lock(&self.meter).record(bytes, Instant::now());
    }

    /// A receiver of the word to stop.
    pub(super) fn stop(&self) -> watch::Receiver<Option<Stop>> {
        self.stop.clone()
    }

    /// The end of the session that was taken over from, if there was one.
    pub(super) fn take_predecessor(&mut self) -> Option<CancellationToken> {
        self.predecessor.take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        if table.entries.get(&self.name).is_some_and(|entry| entry.session == self.session) {
            table.entries.remove(&self.name);
        }
    }
}

/// A panic of another connection leaves these tables as good as they were: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamName {
        text.parse().unwrap()
    }

    fn names(publishers: &Publishers) -> Vec<String> {
        publishers.list().into_iter().map(|publisher| publisher.name.to_string()).collect()
    }

    #[test]
    fn a_name_under_another_key_is_taken() {
        let publishers = Publishers::default();
        let claim = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        assert_eq!(publishers.claim(&name("hall"), KeyId::of(2)).unwrap_err(), Unclaimed::Taken);
        assert_eq!(*claim.stop().borrow(), None);
        drop(claim);
        assert!(publishers.claim(&name("hall"), KeyId::of(2)).is_ok());
    }

    #[test]
    fn the_same_key_takes_over_and_the_old_session_does_not_remove_the_new() {
        let publishers = Publishers::default();
        let old = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        let mut new = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        assert_eq!(*old.stop().borrow(), Some(Stop::TakenOver));
        let ended = new.take_predecessor().unwrap();
        assert!(!ended.is_cancelled());
        drop(old);
        assert!(ended.is_cancelled());
        assert_eq!(names(&publishers), ["hall"]);
        drop(new);
        assert!(names(&publishers).is_empty());
    }

    #[test]
    fn a_revoked_key_stops_its_publisher_alone() {
        let publishers = Publishers::default();
        let hall = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        let room = publishers.claim(&name("room"), KeyId::of(2)).unwrap();
        publishers.keep_only(&HashSet::from([KeyId::of(2)]));
        assert_eq!(*hall.stop().borrow(), Some(Stop::Revoked));
        assert_eq!(*room.stop().borrow(), None);
    }

    #[test]
    fn who_is_refused_stops_and_stays_out_until_it_is_admitted() {
        let publishers = Publishers::default();
        let claim = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        publishers.refuse(&name("hall"));
        assert_eq!(*claim.stop().borrow(), Some(Stop::Ended));
        drop(claim);
        assert_eq!(publishers.claim(&name("hall"), KeyId::of(1)).unwrap_err(), Unclaimed::Ended);
        assert_eq!(publishers.refused(), [name("hall")]);
        publishers.admit(&name("hall"));
        assert!(publishers.claim(&name("hall"), KeyId::of(1)).is_ok());
    }

    #[test]
    fn what_a_publisher_sends_is_listed() {
        let publishers = Publishers::default();
        let claim = publishers.claim(&name("hall"), KeyId::of(1)).unwrap();
        claim.record(1000);
        claim.record(500);
        assert_eq!(publishers.list()[0].bytes, 1500);
    }
}
