//! The one place that reads the monotonic clock.

use std::time::Instant;

/// Now; the paused time of tests counts.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
