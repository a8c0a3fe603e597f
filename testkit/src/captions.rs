//! A recording with captions in its picture, as cameras and studios send them: CEA-608 in the SEI of H.264.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const FRAMES_PER_SECOND: u32 = 25;
/// A frame carries two bytes of captions, so that this is time to load one while the one before is shown.
const FRAMES_PER_CAPTION: usize = 50;
const START_CODE: [u8; 3] = [0, 0, 1];

/// The pop-on commands of channel 1 (CEA-608-E, table 52), and the address code of row 15 in white (table 53).
const RESUME_CAPTION_LOADING: [u8; 2] = [0x14, 0x20];
const ERASE_NON_DISPLAYED_MEMORY: [u8; 2] = [0x14, 0x2e];
const END_OF_CAPTION: [u8; 2] = [0x14, 0x2f];
const ROW_15: [u8; 2] = [0x14, 0x70];

/// Records some seconds of a test picture as H.264 (Annex B) into a folder. The captions follow each other every 2 s, again
/// and again.
///
/// # Errors
/// Where ffmpeg is not installed.
pub fn record(folder: &Path, seconds: u32, captions: &[&str]) -> Result<PathBuf> {
    let (plain, captioned) = (folder.join("plain.h264"), folder.join("captioned.h264"));
    let words = format!(
        "-v error -f lavfi -i testsrc2=size=320x180:rate={FRAMES_PER_SECOND} -t {seconds} -c:v libx264 -preset ultrafast \
         -pix_fmt yuv420p -bf 0 -threads 1 -x264-params slices=1 -g {FRAMES_PER_SECOND} -sc_threshold 0 -f h264"
    );
    let status = Command::new("ffmpeg").args(words.split_whitespace()).arg(&plain).status();
    ensure!(status.context("cannot run ffmpeg: run 'make test-deps' first")?.success(), "ffmpeg made no picture");
    std::fs::write(&captioned, with_captions(&std::fs::read(plain)?, captions))?;
    Ok(captioned)
}

/// The same byte stream, each of whose pictures (one slice each) has its caption data before it.
fn with_captions(stream: &[u8], captions: &[&str]) -> Vec<u8> {
    let captions: Vec<_> = captions.iter().map(|text| commands(text)).collect();
    let mut frame = 0;
    let mut out = Vec::new();
    for unit in units(stream) {
        if is_slice(unit) {
            let commands = &captions[(frame / FRAMES_PER_CAPTION) % captions.len()];
            let pair = commands.get(frame % FRAMES_PER_CAPTION).copied().unwrap_or_default();
            push_unit(&mut out, &sei(pair));
            frame += 1;
        }
        push_unit(&mut out, unit);
    }
    out
}

/// The NAL units of a byte stream (ITU-T H.264, annex B). None of them ends with a zero.
fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = stream.windows(3).enumerate().filter(|(_, window)| *window == START_CODE).map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([stream.len()]);
    starts.zip(ends).map(move |(start, end)| {
        let unit = &stream[start + START_CODE.len()..end];
        &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    })
}

/// Coded slice, of an IDR picture or another (ITU-T H.264, table 7-1).
fn is_slice(unit: &[u8]) -> bool {
    unit.first().is_some_and(|header| matches!(header & 0x1f, 1 | 5))
}

fn push_unit(out: &mut Vec<u8>, unit: &[u8]) {
    out.push(0);
    out.extend(START_CODE);
    out.extend(unit);
}

/// A caption that is loaded and then shown at once, in place of the one before. Commands go twice, in case one is lost.
fn commands(text: &str) -> Vec<[u8; 2]> {
    let twice = |command| [command, command];
    let letters = text.as_bytes().chunks(2).map(|pair| [pair[0], pair.get(1).copied().unwrap_or_default()]);
    let begin = [RESUME_CAPTION_LOADING, ERASE_NON_DISPLAYED_MEMORY, ROW_15].into_iter().flat_map(twice);
    begin.chain(letters).chain(twice(END_OF_CAPTION)).collect()
}

/// An SEI message of registered user data (ITU-T H.264, D.1.6) with one pair of CEA-608, field 1 (ATSC A/53 part 4, 6.2.3).
fn sei(pair: [u8; 2]) -> Vec<u8> {
    let odd = |byte: u8| if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte };
    let mut payload = vec![0xb5, 0x00, 0x31];
    payload.extend(b"GA94");
    // User data of type 3, one pair to process, its marker, its field, and the last marker.
    payload.extend([0x03, 0x41, 0xff, 0xfc, odd(pair[0]), odd(pair[1]), 0xff]);
    let size = u8::try_from(payload.len()).expect("two bytes of captions are a short message");
    [vec![0x06, 0x04, size], payload, vec![0x80]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_has_its_caption_data_before_it() {
        let stream = [&[0, 0, 0, 1, 0x67, 9][..], &[0, 0, 1, 0x65, 8], &[0, 0, 0, 1, 0x41, 7]].concat();
        let captioned = with_captions(&stream, &["A"]);
        let kinds: Vec<_> = units(&captioned).map(|unit| unit[0] & 0x1f).collect();
        assert_eq!(kinds, [7, 6, 5, 6, 1]);
        let first = units(&captioned).nth(1).unwrap();
        assert!(first.windows(2).any(|pair| pair == [0x94, 0x20]), "not with odd parity: {first:x?}");
    }
}
