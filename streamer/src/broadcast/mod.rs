//! The life of a broadcast on its publisher's node.
