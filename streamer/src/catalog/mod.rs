//! The streamer's database.
