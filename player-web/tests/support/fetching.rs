//! How much is being fetched from peers at a time.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// By agreement with the tests: the number of a segment, or an initialization section, that is announced and that no peer delivers.
pub(crate) const NEVER: u64 = 6666;

/// Counts fetches for as long as they live, those that are given up too.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Now, and the most there were.
    running: watch::Sender<(usize, usize)>,
    endless: AtomicBool,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct OneFetch(watch::Sender<(usize, usize)>);

impl Fetching {
    pub(crate) fn begin(&self) -> OneFetch {
        self.running.send_modify(|(now, most)| {
            *now += 1;
            *most = (*most).max(*now);
        });
        OneFetch(self.running.clone())
    }

    /// From now on no peer says that it has not what it is asked for.
    pub(crate) fn have_no_end(&self) {
        self.endless.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn give_up(&self, within: std::time::Duration) {
        if self.endless.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(within).await;
    }

    /// The most that there were at once.
    pub(crate) fn most(&self) -> usize {
        self.running.borrow().1
    }

    /// Returns once there are so many.
    pub(crate) async fn are(&self, count: usize) {
        self.running.subscribe().wait_for(|(now, _)| *now == count).await.unwrap();
    }
}

impl Drop for OneFetch {
    fn drop(&mut self) {
        self.0.send_modify(|(now, _)| *now -= 1);
    }
}
