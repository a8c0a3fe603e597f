//! A SQLite connection on a thread of its own, so that no commit blocks the async runtime.

use std::path::Path;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use stream_model::StoreError;

use super::index::failed;

/// Calls that may wait: each is one short transaction, and a caller waits for its own.
const QUEUE: usize = 64;

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// Handle to the thread. The thread ends, and the database is closed, when the last handle is dropped.
#[derive(Debug, Clone)]
pub(super) struct Database {
    calls: mpsc::Sender<Call>,
}

impl Database {
    /// Opens or creates the file: write-ahead log, and each commit synced before it returns.
    pub(super) fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    }

    /// Moves the connection to its thread.
    pub(super) fn start(mut connection: Connection) -> std::io::Result<Self> {
        let (calls, mut queue) = mpsc::channel::<Call>(QUEUE);
        thread::Builder::new().name("router-sqlite".into()).spawn(move || {
            while let Some(call) = queue.blocking_recv() {
                call(&mut connection);
            }
        })?;
        Ok(Self { calls })
    }

    /// As [`Self::call`], but what is committed becomes durable with the next commit of that, and may be undone by a power
    /// cut until then.
    pub(super) async fn call_lazily<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(move |connection| {
            connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
            let done = run(connection);
            connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
            done
        })
        .await
    }

    /// Runs a closure on the thread, after those that were queued before it. Cancelling drops the closure if it is not
    /// queued yet; otherwise it runs to its end.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            let _ = reply.send(run(connection));
        });
        let closed = || StoreError::Failed("the database thread has ended".into());
        self.calls.send(call).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }
}
