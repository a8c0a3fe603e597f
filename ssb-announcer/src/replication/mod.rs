//! Replication by epidemic broadcast trees (EBT): two peers tell each other which feeds they have and how far, and
//! each sends what the other lacks, at once and from then on as messages are appended. With peers that do not know it,
//! by [`history`] streams; [`way`] decides which.
//!
//! In: notes and messages of a peer, the clocks of our feeds. Out: notes to send, ranges of messages to send, and
//! whether to take a message. [`note`] is the encoding, [`session`] the state of one connection; all of it is pure and
//! never sees a socket or the store.
//!
//! Every wanted feed is asked of every peer: a message that several neighbours bring is validated once, then counted
//! and dropped. With messages of under a kilobyte this costs less than the bookkeeping of asking one peer at a time,
//! and it cannot lose a message when that one stalls.
//!
//! Source: npm `ssb-ebt` and `epidemic-broadcast-trees` (format `classic`, version 3); Scuttlebutt Protocol Guide,
//! "EBT replication".

pub mod history;
pub mod note;
pub mod session;
pub mod way;
