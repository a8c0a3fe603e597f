//! Which content of others is shown, and as what. Only media and plain text: nothing that a browser would run or
//! render as a page beside the owner's own.

/// Bytes that [`from_beginning`] looks at: a packet of MPEG-2 TS and the first byte of the next.
pub(crate) const SNIFFED_BYTES: u64 = 189;

/// Not for the gateway: no manifest has any.
const GIF: &str = "image/gif";

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// The media type of a file name by its extension; `None` where such files are not shown.
pub(crate) fn from_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "m3u8" => PLAYLIST,
        "m4s" | "mp4" => "video/mp4",
        "ts" => "video/mp2t",
        "vtt" => "text/vtt; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "json" => "application/json",
        _ => return None,
    })
}

/// The media type of a file without a name, by its first bytes; `None` where it is none of those shown. Text and
/// JSON are known by their names only: everything begins like some text.
pub(crate) fn from_beginning(bytes: &[u8]) -> Option<&'static str> {
    let box_type = bytes.get(4..8);
    match bytes {
        [b'#', b'E', b'X', b'T', b'M', b'3', b'U', ..] => Some(PLAYLIST),
        // ISO 14496-12 §4.2: each box is its size and its type; a CMAF file begins with one of these.
        _ if matches!(box_type, Some(b"ftyp" | b"styp" | b"moof" | b"sidx")) => Some("video/mp4"),
        // ISO 13818-1 §2.4.3.2: every packet of 188 bytes begins with the sync byte, which is also a "G".
        [0x47, ..] if bytes.get(188) == Some(&0x47) => Some("video/mp2t"),
        [b'W', b'E', b'B', b'V', b'T', b'T', ..] => Some("text/vtt; charset=utf-8"),
        _ => picture(bytes).filter(|media_type| *media_type != GIF),
    }
}

/// The media type of a picture by its first bytes; `None` for whatever else it is. Not SVG, which may hold scripts, and
/// begins like any text.
pub(crate) fn picture(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(GIF),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn media_and_text_are_shown_and_pages_are_not() {
        assert_eq!(from_name("index.m3u8"), Some(PLAYLIST));
        assert_eq!(from_name("17.m4s"), Some("video/mp4"));
        assert_eq!(from_name("A.MP4"), Some("video/mp4"));
        for refused in ["index.html", "x.svg", "x.js", "x.xml", "x.m3u8.html", "x.pdf", "README", "", "."] {
            assert_eq!(from_name(refused), None, "{refused}");
        }
    }

    #[test]
    fn files_without_a_name_are_known_by_their_first_bytes() {
        assert_eq!(from_beginning(b"\0\0\0\x18ftypcmf2"), Some("video/mp4"));
        assert_eq!(from_beginning(b"\0\0\0\x40moof\0\0\0\x10"), Some("video/mp4"));
        assert_eq!(from_beginning(b"#EXTM3U\n#EXT-X-V"), Some(PLAYLIST));
        assert_eq!(from_beginning(&[0x47; 189]), Some("video/mp2t"));
        for refused in [&b"<!doctype html><"[..], b"<svg xmlns=", b"GIF89a", b"", b"RIFF\0\0\0\0WAVE"] {
            assert_eq!(from_beginning(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes_and_drawings_with_scripts_are_none() {
        assert_eq!(picture(b"\x89PNG\r\n\x1a\n\0"), Some("image/png"));
        assert_eq!(picture(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(picture(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!([picture(b"GIF89a.."), picture(b"GIF87a..")], [Some("image/gif"); 2]);
        for refused in [
            &b"<svg xmlns=\"http://www.w3.org/2000/svg\">"[..],
            b"<!doctype html>",
            b"\0\0\0\x18ftypavif",
            b"GIF88a",
            b"",
        ] {
            assert_eq!(picture(refused), None, "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn no_type_is_one_that_a_browser_runs(name in ".{0,30}", bytes: Vec<u8>) {
            for media_type in [from_name(&name), from_beginning(&bytes), picture(&bytes)].into_iter().flatten() {
                prop_assert!(!media_type.contains("html") && !media_type.contains("xml")
                    && !media_type.contains("script"));
            }
        }
    }
}
