//! Nodes over real sockets on loopback: replication between our own nodes, and peers that break the rules.

mod hostile;
mod node;
mod replication;
