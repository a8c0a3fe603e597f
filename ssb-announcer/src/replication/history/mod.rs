//! Replication by `createHistoryStream`: one call for each feed, answered with its messages, and with those that follow
//! where the call is live. It is how peers replicate that know no EBT, and how tools read a feed.
//!
//! In: calls of a peer, what the store appends, what is wanted, messages of a peer. Out: ranges of messages to send, calls
//! to make, and whether to take a message. [`arguments`] reads and writes calls, [`serving`] holds the streams that a peer
//! asked for, [`asking`] those that we asked for, [`wrapped`] reads what some peers send instead, [`in_order`] orders one history
//! and [`ahead`] what comes on all of a connection. All of it is pure and never sees a socket or the store.
//!
//! Source: Scuttlebutt Protocol Guide, "createHistoryStream"; npm `ssb-db2` (`compat/history-stream.js`) and `ssb-db`.

pub mod ahead;
pub mod arguments;
pub mod asking;
pub mod in_order;
pub mod serving;
pub mod wrapped;
