//! Why a session ends before its publisher does.

use super::limits;
use super::{AmfError, ChunkError, Codec};
use crate::media::TrackKind;

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The first byte is not that of RTMP: RTMPE, TLS or another protocol.
    #[error("the connection begins with byte {0:#04x}, which is not RTMP version 3: use rtmp:// without encryption")]
    Version(u8),
    /// The chunk layer.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A command or metadata.
    #[error(transparent)]
    Amf(#[from] AmfError),
    /// A protocol control message that is too short.
    #[error("control message of type {0} is too short")]
    MalformedControl(u8),
    /// A command at a time when it cannot be.
    #[error("command '{0}' at the wrong time")]
    OutOfOrder(&'static str),
    /// Not the application `live`.
    #[error("there is no application '{0}': publish to rtmp://NODE:1935/live/NAME?key=KEY")]
    UnknownApp(String),
    /// The stream name is not one.
    #[error("not a stream name: publish to rtmp://NODE:1935/live/NAME?key=KEY, NAME of letters, digits, '-', '_', '.'")]
    BadStreamName,
    /// It wants to play.
    #[error("this is for publishing only: play over HTTP")]
    Play,
    /// A codec other than H.264 and AAC.
    #[error("{codec} is not supported: {}", advice(*track))]
    UnsupportedCodec {
        /// Audio or video.
        track: TrackKind,
        /// What it sent.
        codec: Codec,
    },
    /// A configuration record of unreasonable length.
    #[error("a {track:?} configuration of {length} bytes is longer than {}", limits::CODEC_CONFIG)]
    CodecConfigTooLong {
        /// Audio or video.
        track: TrackKind,
        /// Its bytes.
        length: usize,
    },
    /// Media in aggregate messages, which no encoder in use sends.
    #[error("aggregate messages are not supported: send audio and video messages")]
    Aggregate,
    /// It keeps sending without publishing.
    #[error("more than {} bytes before publishing began", limits::UNAUTHENTICATED_BYTES)]
    TooMuchBeforePublishing,
    /// It makes us answer faster than the answers can be sent.
    #[error("more than {} bytes of answers are waiting", limits::OUTPUT)]
    OutputNotTaken,
    /// The session has ended already.
    #[error("the session has ended")]
    Finished,
}

fn advice(track: TrackKind) -> &'static str {
    match track {
        TrackKind::Video => {
            "send H.264 (OBS: Settings → Output → Encoder x264; ffmpeg: -c:v libx264) and AAC (ffmpeg: -c:a aac)"
        }
        TrackKind::Audio => "send AAC (OBS: Settings → Output → Audio Encoder AAC; ffmpeg: -c:a aac)",
    }
}
