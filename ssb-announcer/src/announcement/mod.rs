//! Announcements of broadcasts: their content, who may say what, and the directory that comes of it.
//!
//! [`Announcer`] turns what the streamer says into messages on this node's feeds. [`BroadcastDirectory`] turns
//! validated messages, own and others', into listings. The rules are in the pure [`index`]; `content` is the only
//! place that knows field names (`docs/protocol/announcements.md`).

mod announcer;
mod carrier;
pub mod content;
mod directory;
mod exercise;
pub mod index;
mod programme_log;
mod standing_log;
pub(crate) mod text;

pub use announcer::{Announcer, MESSAGES_PER_BROADCAST_FEED};
pub use carrier::Carrier;
pub use content::{Announcement, ContentError};
pub use directory::BroadcastDirectory;
pub use exercise::exercise;
