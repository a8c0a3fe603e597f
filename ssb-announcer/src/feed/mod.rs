//! Feeds: append-only chains of signed messages, one for each author (SSB protocol guide, "Feeds").
//!
//! [`FeedStore`] keeps them in SQLite. Messages of others come in through [`FeedStore::append_remote`], which
//! believes nothing: size and depth first, then form, signature and chain. This node's own messages come in as
//! content through [`FeedStore::append_own`], which signs them. What goes out: messages, the clock of each feed, the
//! set of wanted feeds, and notices of what was appended. It never looks into the content beyond its type: what messages
//! say is kept by each [`ContentIndex`], in the transaction that stores them.

mod asked;
mod content_index;
mod error;
mod exercise;
mod guard;
mod integrity;
mod message;
mod own_gate;
pub(crate) mod own_tail;
mod quota;
mod rejection;
mod remote;
mod room;
mod schema;
mod store;
mod wanted;

pub use content_index::{Arrival, ContentIndex};
pub use error::StoreError;
pub use exercise::exercise;
pub use guard::MAX_RAW_BYTES;
pub use message::{Message, SOCIAL_KINDS};
pub use own_gate::{
    ANSWER_WITHIN, AskedPeer, Conflict, OwnFeed, OwnFeedError, OwnGate, RecoverReason, SETTLE, WAIT_AT_MOST,
};
pub use rejection::Rejected;
pub(crate) use remote::{is_signed_by, parse as read_message};
pub use schema::Newest;
pub use store::{
    Appended, FeedObserver, FeedStore, MAX_BATCH, MAX_BROADCAST_FEED_MESSAGES, MAX_NODE_FEED_MESSAGES, MAX_READ,
    OwnAppend,
};
pub use wanted::{FeedKind, MAX_INTRODUCED_BY_ONE, MAX_NODE_FEEDS, WantedFeeds};
