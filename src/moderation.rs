//! What the owner does not want to be shown on this node: a list in a file, and in memory for who asks.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use stream_model::{Hidden, MessageKey, Moderation, ModerationError, WallTime};
use tokio::sync::{Mutex, broadcast};
use tracing::warn;

use crate::durable;

/// Messages that may be hidden, about 100 bytes each in a file that is written anew with each: whoever needs more blocks authors.
const MOST: usize = 10_000;

/// Changes that a subscriber may lag behind: an owner hides one thing after the other.
const CHANGES: usize = 64;

/// The list of a node.
#[derive(Debug)]
pub(crate) struct HiddenList {
    path: PathBuf,
    hidden: RwLock<Arc<BTreeMap<MessageKey, WallTime>>>,
    /// Held over a change, so that each is made to what the one before left.
    changing: Mutex<()>,
    changes: broadcast::Sender<MessageKey>,
}

impl HiddenList {
    /// Reads the list. One that cannot be used is set aside: it must not keep the node from starting.
    pub(crate) fn open(path: PathBuf) -> Self {
        let hidden = read(&path).unwrap_or_else(|reason| {
            let aside = durable::set_aside(&path).map(|aside| aside.display().to_string());
            let aside = aside.unwrap_or_else(|error| format!("nowhere: {error}"));
            warn!(file = %path.display(), %reason, %aside, "the list of what is hidden cannot be used and is set aside: nothing is hidden");
            BTreeMap::new()
        });
        let (hidden, changing) = (RwLock::new(Arc::new(hidden)), Mutex::new(()));
        Self { path, hidden, changing, changes: broadcast::Sender::new(CHANGES) }
    }

    fn now(&self) -> Arc<BTreeMap<MessageKey, WallTime>> {
        Arc::clone(&self.hidden.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Durable before it is effective. Whether anything changed.
    async fn change(
        &self,
        message: MessageKey,
        change: impl FnOnce(&mut BTreeMap<MessageKey, WallTime>),
    ) -> Result<bool, ModerationError> {
        let _changing = self.changing.lock().await;
        let before = self.now();
        let mut after = BTreeMap::clone(&before);
        change(&mut after);
        if after == *before {
            return Ok(false);
        }
        if after.len() > MOST {
            return Err(ModerationError::TooMany(MOST));
        }
        let entries: Vec<Hidden> =
            after.iter().map(|(message, since)| Hidden { message: *message, since: *since }).collect();
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let bytes = serde_json::to_vec_pretty(&entries)?;
            durable::replace(&path, &bytes)
        });
        let written = written.await.map_err(|error| ModerationError::Storage(error.to_string()))?;
        written.map_err(|error| ModerationError::Storage(error.to_string()))?;
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(after);
        // Without subscribers nobody needs the change.
        let _receivers = self.changes.send(message);
        Ok(true)
    }
}

fn read(path: &Path) -> Result<BTreeMap<MessageKey, WallTime>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    let entries: Vec<Hidden> = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Ok(entries.into_iter().take(MOST).map(|hidden| (hidden.message, hidden.since)).collect())
}

#[async_trait]
impl Moderation for HiddenList {
    fn hides(&self, message: &MessageKey) -> bool {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).contains_key(message)
    }

    fn hidden(&self) -> Vec<Hidden> {
        let hidden = self.now();
        let mut all: Vec<Hidden> =
            hidden.iter().map(|(message, since)| Hidden { message: *message, since: *since }).collect();
        all.sort_by_key(|hidden| std::cmp::Reverse((hidden.since, hidden.message)));
        all
    }

    async fn hide(&self, message: MessageKey) -> Result<(), ModerationError> {
        let hide = |hidden: &mut BTreeMap<MessageKey, WallTime>| {
            hidden.entry(message).or_insert_with(WallTime::now);
        };
        self.change(message, hide).await.map(drop)
    }

    async fn unhide(&self, message: MessageKey) -> Result<bool, ModerationError> {
        let unhide = |hidden: &mut BTreeMap<MessageKey, WallTime>| {
            hidden.remove(&message);
        };
        self.change(message, unhide).await
    }

    fn changes(&self) -> BoxStream<'static, MessageKey> {
        let receiver = self.changes.subscribe();
        stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(message) => return Some((message, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MessageKey {
        MessageKey([byte; 32])
    }

    fn keys(list: &HiddenList) -> Vec<MessageKey> {
        list.hidden().into_iter().map(|hidden| hidden.message).collect()
    }

    #[tokio::test]
    async fn what_is_hidden_outlives_a_restart_until_it_is_shown_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hidden.json");
        let list = HiddenList::open(path.clone());
        let mut changes = list.changes();
        list.hide(key(1)).await.unwrap();
        list.hide(key(2)).await.unwrap();
        list.hide(key(1)).await.unwrap();
        assert_eq!(changes.next().await, Some(key(1)));
        assert_eq!(changes.next().await, Some(key(2)));
        let again = HiddenList::open(path.clone());
        assert_eq!(again.hidden(), list.hidden());
        assert!(again.hides(&key(1)) && !again.hides(&key(3)));
        assert!(again.unhide(key(1)).await.unwrap());
        assert!(!again.unhide(key(1)).await.unwrap());
        assert_eq!(keys(&HiddenList::open(path)), [key(2)]);
    }

    #[tokio::test]
    async fn a_damaged_list_is_set_aside_and_a_new_one_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hidden.json");
        fs::write(&path, "[{").unwrap();
        let list = HiddenList::open(path.clone());
        assert!(keys(&list).is_empty());
        assert_eq!(fs::read(dir.path().join("hidden.json.broken")).unwrap(), b"[{");
        list.hide(key(1)).await.unwrap();
        assert_eq!(keys(&HiddenList::open(path)), [key(1)]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_down_is_not_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let list = HiddenList::open(dir.path().join("gone/hidden.json"));
        assert!(matches!(list.hide(key(1)).await, Err(ModerationError::Storage(_))));
        assert!(!list.hides(&key(1)));
    }
}
