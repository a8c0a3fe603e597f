//! Nodes over real sockets on loopback: replication between our own nodes, with a real JavaScript peer, and peers that
//! break the rules.

mod hostile;
mod javascript;
mod node;
mod replication;
