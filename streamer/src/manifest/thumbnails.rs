//! Which picture shows which moment of a broadcast, as WebVTT. Pure.
//!
//! One cue for each picture (<https://www.w3.org/TR/webvtt1/>), whose text is where it is: a JPEG, and the part of it
//! (Media Fragments URI 1.0 §4.2.2).

use std::fmt::Write as _;
use std::time::Duration;

use stream_model::{MediaSequence, Tiles};

/// The most cues: on the widest screen each has a pixel of the time line.
const MOST_CUES: usize = 2_048;

/// A JPEG with the pictures of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Images {
    pub(crate) media_sequence: MediaSequence,
    /// Where the segment begins on the time line of the broadcast.
    pub(crate) from: Duration,
    pub(crate) duration: Duration,
}

/// The text for these, in order, of pictures of `size` in pixels, whose JPEGs are `NUMBER.jpg` in a folder.
pub(crate) fn web_vtt(folder: &str, size: (u32, u32), tiles: Tiles, sheets: &[Images]) -> String {
    let Tiles { columns, rows } = tiles;
    let each = (columns * rows).max(1);
    let pictures = sheets.iter().flat_map(|sheet| (0..each).map(move |number| (sheet, number)));
    // Of a long broadcast fewer are told: each n-th, for as long as all n are shown.
    let at_once = (sheets.len() * each as usize).div_ceil(MOST_CUES).max(1);
    let from = |sheet: &Images, number: u32| sheet.from + sheet.duration * number / each;
    let mut text = "WEBVTT\n".to_owned();
    let mut pictures = pictures.peekable();
    while let Some((sheet, number)) = pictures.next() {
        let mut until = from(sheet, number + 1);
        for _ in 1..at_once {
            // What is missing in between is shown by nothing.
            let Some((next, number)) = pictures.next_if(|(next, number)| from(next, *number) == until) else { break };
            until = from(next, number + 1);
        }
        let (width, height) = size;
        let (x, y) = (number % columns.max(1) * width, number / columns.max(1) * height);
        let (begins, ends) = (time(from(sheet, number)), time(until));
        let name = sheet.media_sequence.0;
        let _ = write!(text, "\n{begins} --> {ends}\n{folder}{name}.jpg#xywh={x},{y},{width},{height}\n");
    }
    text
}

/// A WebVTT timestamp.
fn time(at: Duration) -> String {
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u32, u32) = (256, 144);

    fn sheets(number: u64) -> Vec<Images> {
        let (from, duration) = (Duration::from_secs, Duration::from_secs(15));
        (0..number)
            .map(|one| Images { media_sequence: MediaSequence(one + 7), from: from(one * 15), duration })
            .collect()
    }

    #[test]
    fn each_picture_has_a_cue_with_its_part_of_the_jpeg() {
        let text = web_vtt("../x/", SIZE, Tiles { columns: 2, rows: 2 }, &sheets(1));
        let expected = "WEBVTT

00:00:00.000 --> 00:00:03.750
../x/7.jpg#xywh=0,0,256,144

00:00:03.750 --> 00:00:07.500
../x/7.jpg#xywh=256,0,256,144

00:00:07.500 --> 00:00:11.250
../x/7.jpg#xywh=0,144,256,144

00:00:11.250 --> 00:00:15.000
../x/7.jpg#xywh=256,144,256,144
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_missing_is_shown_by_nothing() {
        let mut sheets = sheets(3);
        sheets.remove(1);
        let text = web_vtt("", SIZE, Tiles { columns: 1, rows: 1 }, &sheets);
        let cues: Vec<_> = text.lines().filter(|line| line.contains("-->")).collect();
        assert_eq!(cues, ["00:00:00.000 --> 00:00:15.000", "00:00:30.000 --> 00:00:45.000"]);
    }

    #[test]
    fn of_a_long_broadcast_fewer_are_told_which_are_shown_for_longer() {
        let text = web_vtt("", SIZE, Tiles { columns: 4, rows: 1 }, &sheets(1_000));
        let cues: Vec<_> = text.lines().filter(|line| line.contains("-->")).collect();
        assert_eq!(cues.len(), 2_000);
        assert_eq!((cues[0], cues[1_999]), ("00:00:00.000 --> 00:00:07.500", "04:09:52.500 --> 04:10:00.000"));
    }
}
