//! Subscriptions to changes, of the directory and of the timeline.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// The changes from now on, until `closed`. Whoever lags behind gets `missed` in the place of those it missed.
pub(crate) fn subscription<T: Clone + Send + 'static>(
    changes: Receiver<T>,
    missed: T,
    closed: CancellationToken,
) -> BoxStream<'static, T> {
    let changes = stream::unfold((changes, missed), |(mut changes, missed)| async move {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(_)) => missed.clone(),
            Err(RecvError::Closed) => return None,
        };
        Some((change, (changes, missed)))
    });
    changes.take_until(closed.cancelled_owned()).boxed()
}
