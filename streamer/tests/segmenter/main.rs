//! The segmenter on what ffmpeg publishes, its output judged by ffprobe, ffmpeg and media-doctor; and on what nobody
//! should publish.

mod media;
mod probe;
mod properties;
mod source;
