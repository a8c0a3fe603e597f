//! The segmenter on what ffmpeg publishes, its output judged by ffprobe, ffmpeg and media-doctor; and on what nobody
//! should publish.

// Clippy knows test functions, but not the helpers beside them.
#![allow(clippy::unwrap_used)]

mod media;
mod probe;
mod properties;
mod remux;
mod source;
