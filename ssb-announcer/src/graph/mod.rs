//! The follow graph: who follows and blocks whom, and whose feeds this node replicates because of it.
//!
//! In: `contact` messages of all replicated feeds, kept as a table by [`ContactIndex`], and what this node's owner says
//! through [`Contacts`]. Out: the node feeds within some steps of this node ([`reach`], pure) and those that it blocks,
//! handed to the store; dropped feeds. It never decides about broadcast feeds beyond those of a blocked author.

mod contact;
mod contacts;
mod index;
pub mod reach;

pub use contact::Contact;
pub use contacts::{Contacts, KEPT_UNWANTED_HOURS};
pub use index::ContactIndex;
