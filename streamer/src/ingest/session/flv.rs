//! Bodies of audio and video messages: FLV tag bodies (Adobe FLV specification 10.1, annex E.4.2 and E.4.3), and of
//! the Enhanced RTMP form (Enhanced RTMP v2, "ExAudioTagHeader", "ExVideoTagHeader") what carries H.264 and AAC.

use bytes::{Buf, Bytes};

use super::SessionError;
use super::limits;
use crate::media::TrackKind;

/// What a tag holds for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// A codec configuration record.
    Config(Bytes),
    /// An access unit.
    Frame { composition_offset: i32, keyframe: bool, data: Bytes },
    /// Nothing: ends of sequences, info frames, empty tags.
    Nothing,
}

/// A codec that is not carried on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec(String);

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Frame types (E.4.3.1): those that decoding can start with, and the one that carries a command.
const KEYFRAME: u8 = 1;
const GENERATED_KEYFRAME: u8 = 4;
const INFO_FRAME: u8 = 5;

/// CodecID of AVC, SoundFormat of AAC, and the SoundFormat that means an ExAudioTagHeader.
const AVC: u8 = 7;
const AAC: u8 = 10;
const EX_AUDIO: u8 = 9;

/// Packet types of Enhanced RTMP, the same for audio and video as far as they are used here.
mod ex_packet {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    /// Video only: as coded frames, with a composition time offset of 0 left out.
    pub(super) const CODED_FRAMES_X: u8 = 3;
    /// Video: metadata. Audio: multichannel configuration.
    pub(super) const METADATA: u8 = 4;
    pub(super) const MULTITRACK: u8 = 6;
    pub(super) const MOD_EX: u8 = 7;
    /// Audio: multitrack.
    pub(super) const AUDIO_MULTITRACK: u8 = 5;
}

/// Reads the body of a video message.
pub(super) fn video(mut body: Bytes) -> Result<Tag, SessionError> {
    let Ok(first) = body.try_get_u8() else { return Ok(Tag::Nothing) };
    if first & 0x80 != 0 {
        return ex_video(first, body);
    }
    let (frame_type, codec) = (first >> 4, first & 0x0f);
    if frame_type == INFO_FRAME {
        return Ok(Tag::Nothing);
    }
    if codec != AVC {
        return Err(unsupported(TrackKind::Video, legacy_video_codec(codec)));
    }
    let Ok(packet_type) = body.try_get_u8() else { return Ok(Tag::Nothing) };
    let Some(composition_offset) = get_i24(&mut body) else { return Ok(Tag::Nothing) };
    match packet_type {
        0 => config(TrackKind::Video, body),
        1 => Ok(frame(composition_offset, is_keyframe(frame_type), body)),
        _ => Ok(Tag::Nothing),
    }
}

/// Reads the body of an audio message.
pub(super) fn audio(mut body: Bytes) -> Result<Tag, SessionError> {
    let Ok(first) = body.try_get_u8() else { return Ok(Tag::Nothing) };
    let packet_type = match first >> 4 {
        AAC => match body.try_get_u8() {
            Ok(packet_type) => packet_type,
            Err(_) => return Ok(Tag::Nothing),
        },
        EX_AUDIO => {
            let packet_type = first & 0x0f;
            if packet_type == ex_packet::AUDIO_MULTITRACK || packet_type == ex_packet::MOD_EX {
                return Err(unsupported(TrackKind::Audio, "Enhanced RTMP multitrack or packet modifiers".to_owned()));
            }
            let Some(codec) = four_cc(&mut body) else { return Ok(Tag::Nothing) };
            if &codec != b"mp4a" {
                return Err(unsupported(TrackKind::Audio, four_cc_codec(codec)));
            }
            packet_type
        }
        format => return Err(unsupported(TrackKind::Audio, legacy_audio_codec(format))),
    };
    match packet_type {
        0 => config(TrackKind::Audio, body),
        1 => Ok(frame(0, true, body)),
        _ => Ok(Tag::Nothing),
    }
}

fn ex_video(first: u8, mut body: Bytes) -> Result<Tag, SessionError> {
    let (frame_type, packet_type) = ((first >> 4) & 0x07, first & 0x0f);
    if packet_type == ex_packet::METADATA || frame_type == INFO_FRAME {
        return Ok(Tag::Nothing);
    }
    if packet_type == ex_packet::MULTITRACK || packet_type == ex_packet::MOD_EX {
        return Err(unsupported(TrackKind::Video, "Enhanced RTMP multitrack or packet modifiers".to_owned()));
    }
    let Some(codec) = four_cc(&mut body) else { return Ok(Tag::Nothing) };
    if &codec != b"avc1" {
        return Err(unsupported(TrackKind::Video, four_cc_codec(codec)));
    }
    match packet_type {
        ex_packet::SEQUENCE_START => config(TrackKind::Video, body),
        ex_packet::CODED_FRAMES => match get_i24(&mut body) {
            Some(composition_offset) => Ok(frame(composition_offset, is_keyframe(frame_type), body)),
            None => Ok(Tag::Nothing),
        },
        ex_packet::CODED_FRAMES_X => Ok(frame(0, is_keyframe(frame_type), body)),
        ex_packet::SEQUENCE_END => Ok(Tag::Nothing),
        _ => Ok(Tag::Nothing),
    }
}

fn is_keyframe(frame_type: u8) -> bool {
    matches!(frame_type, KEYFRAME | GENERATED_KEYFRAME)
}

fn config(track: TrackKind, record: Bytes) -> Result<Tag, SessionError> {
    if record.len() > limits::CODEC_CONFIG {
        return Err(SessionError::CodecConfigTooLong { track, length: record.len() });
    }
    Ok(if record.is_empty() { Tag::Nothing } else { Tag::Config(record) })
}

fn frame(composition_offset: i32, keyframe: bool, data: Bytes) -> Tag {
    if data.is_empty() { Tag::Nothing } else { Tag::Frame { composition_offset, keyframe, data } }
}

/// A signed number of three bytes.
fn get_i24(body: &mut Bytes) -> Option<i32> {
    if body.len() < 3 {
        return None;
    }
    Some(i32::try_from(body.get_int(3)).unwrap_or_default())
}

fn four_cc(body: &mut Bytes) -> Option<[u8; 4]> {
    let mut codec = [0; 4];
    body.try_copy_to_slice(&mut codec).ok()?;
    Some(codec)
}

fn unsupported(track: TrackKind, codec: String) -> SessionError {
    SessionError::UnsupportedCodec { track, codec: Codec(codec) }
}

/// CodecIDs (E.4.3.1).
fn legacy_video_codec(id: u8) -> String {
    let name = match id {
        1 => "JPEG",
        2 => "Sorenson H.263",
        3 => "Screen Video",
        4 => "On2 VP6",
        5 => "On2 VP6 with alpha",
        6 => "Screen Video 2",
        // Numbers that some encoders took for themselves before there was Enhanced RTMP.
        12 => "HEVC (H.265)",
        13 => "AV1",
        other => return format!("video codec {other}"),
    };
    name.to_owned()
}

/// SoundFormats (E.4.2.1).
fn legacy_audio_codec(format: u8) -> String {
    let name = match format {
        0 | 3 => "linear PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        13 => "Opus",
        other => return format!("audio format {other}"),
    };
    name.to_owned()
}

/// FourCCs of Enhanced RTMP v2.
fn four_cc_codec(codec: [u8; 4]) -> String {
    let name = match &codec {
        b"hvc1" => "HEVC (H.265)",
        b"vvc1" => "VVC (H.266)",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b".mp3" => "MP3",
        _ => return format!("codec '{}'", codec.escape_ascii()),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame_of(composition_offset: i32, keyframe: bool, data: &'static [u8]) -> Tag {
        Tag::Frame { composition_offset, keyframe, data: Bytes::from_static(data) }
    }

    #[test]
    fn h264_tags_are_read() {
        let check = |body: &'static [u8], expected: Tag| {
            assert_eq!(video(Bytes::from_static(body)).unwrap(), expected, "{body:02x?}");
        };
        check(&[0x17, 0, 0, 0, 0, 1, 2, 3], Tag::Config(Bytes::from_static(&[1, 2, 3])));
        check(&[0x17, 1, 0, 0, 80, 9], frame_of(80, true, &[9]));
        check(&[0x27, 1, 0xff, 0xff, 0xd8, 9], frame_of(-40, false, &[9]));
        check(&[0x27, 1, 0x80, 0, 0, 9], frame_of(-0x80_0000, false, &[9]));
        check(&[0x17, 2, 0, 0, 0], Tag::Nothing);
        check(&[0x57, 0], Tag::Nothing);
        check(&[], Tag::Nothing);
        check(&[0x17], Tag::Nothing);
        check(&[0x17, 1, 0, 0], Tag::Nothing);
        check(&[0x17, 1, 0, 0, 0], Tag::Nothing);
    }

    #[test]
    fn aac_tags_are_read() {
        let check = |body: &'static [u8], expected: Tag| {
            assert_eq!(audio(Bytes::from_static(body)).unwrap(), expected, "{body:02x?}");
        };
        check(&[0xaf, 0, 0x12, 0x10], Tag::Config(Bytes::from_static(&[0x12, 0x10])));
        check(&[0xaf, 1, 5, 6], frame_of(0, true, &[5, 6]));
        check(&[0xaf], Tag::Nothing);
        check(&[0xaf, 0], Tag::Nothing);
        check(&[], Tag::Nothing);
    }

    #[test]
    fn h264_and_aac_are_read_in_the_enhanced_form_too() {
        let check = |body: &'static [u8], expected: Tag| {
            assert_eq!(video(Bytes::from_static(body)).unwrap(), expected, "{body:02x?}");
        };
        check(b"\x90avc1\x01\x02", Tag::Config(Bytes::from_static(&[1, 2])));
        check(b"\x91avc1\x00\x00\x28\x09", frame_of(40, true, &[9]));
        check(b"\xa3avc1\x09", frame_of(0, false, &[9]));
        check(b"\x92avc1", Tag::Nothing);
        check(b"\x94\x00", Tag::Nothing);
        assert_eq!(audio(Bytes::from_static(b"\x90mp4a\x12")).unwrap(), Tag::Config(Bytes::from_static(&[0x12])));
        assert_eq!(audio(Bytes::from_static(b"\x91mp4a\x07")).unwrap(), frame_of(0, true, &[7]));
    }

    #[test]
    fn codecs_that_are_not_carried_are_named_with_what_to_set() {
        let check = |result: Result<Tag, SessionError>, codec: &str, advice: &str| {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(codec) && text.contains(advice), "{text}");
        };
        for (body, codec) in [
            (&b"\x90hvc1"[..], "HEVC"),
            (b"\x91av01", "AV1"),
            (b"\x90vp09", "VP9"),
            (b"\x96\x00", "multitrack"),
            (b"\x90xyz\x01", "xyz\\x01"),
            (b"\x12", "Sorenson"),
            (b"\x1c", "HEVC"),
        ] {
            check(video(Bytes::from_static(body)), codec, "-c:v libx264");
        }
        for (body, codec) in [(&b"\x90Opus"[..], "Opus"), (b"\x2f", "MP3"), (b"\xb2", "Speex"), (b"\x95", "multitrack")]
        {
            check(audio(Bytes::from_static(body)), codec, "-c:a aac");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = video(Bytes::from(body.clone()));
            let _ = audio(Bytes::from(body));
        }
    }
}
