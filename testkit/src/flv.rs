//! Reads FLV files: the tags that an RTMP publisher would send as messages (Adobe Flash Video File Format
//! Specification 10.1, annex E). For sample media made by ffmpeg.

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;

/// What a tag carries (annex E.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    /// AUDIODATA.
    Audio,
    /// VIDEODATA.
    Video,
    /// SCRIPTDATA.
    Script,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it carries.
    pub kind: TagKind,
    /// Milliseconds, as RTMP has them: negative ones wrap.
    pub timestamp: u32,
    /// The body, which is the payload of the RTMP message.
    pub data: Bytes,
}

/// All tags of a file, in order.
pub fn read_tags(file: impl Into<Bytes>) -> anyhow::Result<Vec<Tag>> {
    let mut rest: Bytes = file.into();
    ensure!(rest.starts_with(b"FLV\x01"), "not an FLV file");
    let header = rest.get(5..9).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let header = header.context("the header is cut short")? as usize;
    ensure!(rest.len() >= header + 4, "the header is cut short");
    let _ = rest.split_to(header + 4);
    let mut tags = Vec::new();
    while !rest.is_empty() {
        ensure!(rest.len() >= 11, "a tag is cut short");
        let head = rest.split_to(11);
        let kind = match head[0] & 0x1f {
            8 => TagKind::Audio,
            9 => TagKind::Video,
            18 => TagKind::Script,
            other => bail!("unknown tag type {other}"),
        };
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let timestamp = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
        ensure!(rest.len() >= length + 4, "a tag is cut short");
        let data = rest.split_to(length);
        let _previous_tag_size = rest.split_to(4);
        tags.push(Tag { kind, timestamp, data });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_in_order_with_their_whole_timestamps() {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        file.extend_from_slice(&[9, 0, 0, 2, 0xff, 0xff, 0xb0, 0xff, 0, 0, 0, 0x17, 0x01, 0, 0, 0, 13]);
        file.extend_from_slice(&[8, 0, 0, 1, 0, 0, 5, 0, 0, 0, 0, 0xaf, 0, 0, 0, 12]);
        let tags = read_tags(file.clone()).unwrap();
        let video = Tag { kind: TagKind::Video, timestamp: 0xffff_ffb0, data: Bytes::from_static(&[0x17, 1]) };
        let audio = Tag { kind: TagKind::Audio, timestamp: 5, data: Bytes::from_static(&[0xaf]) };
        assert_eq!(tags, [video, audio]);
        file.pop();
        assert!(read_tags(file).is_err());
    }
}
