//! What a session holds at most, whatever the peer declares or sends.

/// Length of a message, and sum of the lengths of all messages in progress, before the publisher is let in. A
/// `connect` with every property that encoders send is below 1 KiB.
pub(super) const UNAUTHENTICATED_MESSAGES: usize = 64 * 1024;

/// Bytes received in all, handshake aside, before the publisher is let in. Encoders send about 1 KiB.
pub(super) const UNAUTHENTICATED_BYTES: u64 = 64 * 1024;

/// The same as [`UNAUTHENTICATED_MESSAGES`] once the publisher was let in. A keyframe of 25 Mbit/s video with a
/// keyframe every 4 s stays below 4 MiB.
pub(super) const MESSAGES: usize = 8 * 1024 * 1024;

/// Length of a message that is neither audio nor video, at any time: the metadata of encoders is below 4 KiB.
pub(super) const COMMAND_MESSAGE: usize = 64 * 1024;

/// Length of a codec configuration record. H.264 parameter sets take less than 1 KiB.
pub(super) const CODEC_CONFIG: usize = 16 * 1024;

/// Chunk streams of a connection. Encoders use three to six.
pub(super) const CHUNK_STREAMS: usize = 32;

/// Nesting of AMF0 values. Metadata nests two deep.
pub(super) const AMF_DEPTH: usize = 16;

/// AMF0 values in one message, properties and elements counted. Metadata has about 30.
pub(super) const AMF_VALUES: usize = 1024;

/// Answers that wait to be taken. A session's whole set-up takes about 5 KiB.
pub(super) const OUTPUT: usize = 64 * 1024;

/// Characters of a title, as [`Publication`](crate::media::Publication) promises.
pub(super) const TITLE_CHARACTERS: usize = 200;
