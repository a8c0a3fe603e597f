//! Changes to the database of a node that does not run: what the recovery of its own feed needs.

use std::path::Path;

use stream_model::{FeedId, FeedSequence};

use super::error::StoreError;
use super::schema;

/// Lets every content index be built anew at the next start, because messages come and go without them now. Blocks.
pub(crate) fn forget_indexes(database: &Path) -> Result<(), StoreError> {
    schema::open(database)?.execute("DELETE FROM content_indexes", [])?;
    Ok(())
}

/// Removes the messages of a feed from number `from` on. Blocks.
pub(crate) fn remove(database: &Path, feed: &FeedId, from: FeedSequence) -> Result<(), StoreError> {
    let mut connection = schema::open(database)?;
    let transaction = connection.transaction()?;
    schema::remove_from(&transaction, feed, from)?;
    transaction.commit()?;
    Ok(())
}
