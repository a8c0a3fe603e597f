//! Counts what is open, in all and per address, and says when there are too many. Knows nothing of what it counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// A bounded number of places, handed out as [`Slot`]s.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    most_per_address: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
    total: watch::Sender<usize>,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Slots {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        let shared = Shared { most, most_per_address, taken: Mutex::new(HashMap::new()), total: watch::Sender::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a place for an address; `None` where either bound is reached. An IPv4 address counts the same whether
    /// it comes mapped into IPv6 or not.
    pub(crate) fn acquire(&self, address: IpAddr) -> Option<Slot> {
        let address = address.to_canonical();
        let mut taken = self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.shared.total.borrow() >= self.shared.most
            || taken.get(&address).is_some_and(|count| *count >= self.shared.most_per_address)
        {
            return None;
        }
        *taken.entry(address).or_default() += 1;
        self.shared.total.send_modify(|total| *total += 1);
        Some(Slot { shared: self.shared.clone(), address })
    }

    /// Returns once no place is taken. May be cancelled.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.shared.total.subscribe().wait_for(|total| *total == 0).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
        self.shared.total.send_modify(|total| *total -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_refused_beyond_either_bound_and_comes_back_when_dropped() {
        let slots = Slots::new(3, 2);
        let first = slots.acquire(address("10.0.0.1")).unwrap();
        let _second = slots.acquire(address("::ffff:10.0.0.1")).unwrap();
        assert!(slots.acquire(address("10.0.0.1")).is_none(), "two of the same address, mapped or not");
        let _third = slots.acquire(address("fc00::1")).unwrap();
        assert!(slots.acquire(address("fc00::2")).is_none(), "three in all");
        drop(first);
        assert!(slots.acquire(address("fc00::2")).is_some());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_place() {
        let slots = Slots::new(2, 2);
        let slot = slots.acquire(address("10.0.0.1"));
        let waiting = tokio::spawn({
            let slots = slots.clone();
            async move { slots.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(slot);
        waiting.await.unwrap();
        assert!(slots.shared.taken.lock().unwrap().is_empty(), "no address is remembered");
    }
}
