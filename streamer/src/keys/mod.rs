//! Stream keys.
