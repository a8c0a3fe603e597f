//! What people say, as other SSB programs write and show it: `post`, `about`, `vote`.
//!
//! [`content`] reads the content of messages leniently and writes it strictly; [`SocialIndex`] keeps what is needed to
//! find posts again, in the store's transaction; [`SocialTimeline`] is the port that pages are made from, and writes as
//! this node. Texts stay Markdown here: nothing in this crate makes HTML.

pub mod content;
mod index;
mod query;
mod start_post;
mod timeline;

pub use index::SocialIndex;
pub(crate) use query::name;
pub use start_post::WebAddresses;
pub(crate) use start_post::start_post;
pub use timeline::{MAX_PAGE, SocialTimeline};
