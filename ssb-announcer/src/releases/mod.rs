//! Releases of the program that feeds announce. What their statements say, and whether they count, is not known here.

mod content;
mod index;
mod log;

pub use content::RELEASE;
pub use index::ReleaseIndex;
pub use log::FeedReleases;
