//! Archives of broadcasts: hours, days and the whole, as manifests over segments that are stored already.
//!
//! [`Archivist`] makes those of this node's own broadcasts, from what was announced, and while an hour lasts what there is of
//! it so far. Never fetches, never writes media.

mod archivist;
mod making;
mod running;
mod stretch;

pub(crate) use archivist::KEPT_SEGMENTS;
pub use archivist::{Archivist, Ports};
pub(crate) use making::{held_of, is_held, make_archives};
pub(crate) use stretch::{Item, hours};
