//! Reads the playlists that [`MediaPlaylist::render`] writes, from whoever wrote them, and refuses all others.

use std::str::Lines;
use std::time::Duration;

use stream_model::{DiscontinuitySequence, MediaSequence};

use super::playlist::{MAX_DISCONTINUITY_STEP, MAX_ENTRIES, MediaPlaylist, PlaylistEntry, PlaylistKind};
use super::time;

/// What [`MAX_ENTRIES`] entries take at most.
const MAX_BYTES: usize = 32 << 20;
/// The longest lines, those with a date, have 49 characters.
const MAX_LINE_BYTES: usize = 128;

/// Why a text is not a playlist of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Over a limit.
    #[error("the playlist has more than {0}")]
    TooLarge(&'static str),
    /// Something else than what has to come there.
    #[error("line {line} of the playlist: expected {expected}")]
    Expected {
        /// From 1.
        line: usize,
        /// What has to come there.
        expected: &'static str,
    },
    /// All parts are known, but not written as they are written here.
    #[error("the playlist is not in the form in which manifests have it")]
    NotCanonical,
}

/// The playlist that renders to exactly this text. All its segments count as independent or none, as the text says.
pub fn parse_media_playlist(text: &str) -> Result<MediaPlaylist, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError::TooLarge("32 MiB"));
    }
    let mut cursor = Cursor { rest: text.lines(), current: None, line: 0 };
    cursor.advance();
    cursor.literal("#EXTM3U")?;
    if !(cursor.take("#EXT-X-VERSION:7").is_some() || cursor.take("#EXT-X-VERSION:8").is_some()) {
        return Err(cursor.expected("#EXT-X-VERSION:7 or 8"));
    }
    let target_duration = Duration::from_secs(cursor.number("#EXT-X-TARGETDURATION:")?);
    let mut sequence = MediaSequence(cursor.number("#EXT-X-MEDIA-SEQUENCE:")?);
    let mut discontinuity = DiscontinuitySequence(cursor.number("#EXT-X-DISCONTINUITY-SEQUENCE:")?);
    let no_kind = cursor.expected("EVENT or VOD");
    let kind = match cursor.take("#EXT-X-PLAYLIST-TYPE:") {
        None => PlaylistKind::Live,
        Some("EVENT") => PlaylistKind::Event,
        Some("VOD") => PlaylistKind::Vod,
        Some(_) => return Err(no_kind),
    };
    let independent_segments = cursor.take("#EXT-X-INDEPENDENT-SEGMENTS").is_some();
    let mut entries = Vec::new();
    let mut ended = false;
    while cursor.current.is_some() {
        if cursor.take("#EXT-X-ENDLIST").is_some() {
            ended = true;
            break;
        }
        if entries.len() == MAX_ENTRIES {
            return Err(ParseError::TooLarge("100000 segments"));
        }
        let entry = cursor.entry(sequence, &mut discontinuity, independent_segments)?;
        if !entry.fits(target_duration) {
            return Err(cursor.expected("segments that fit the target duration before this line"));
        }
        sequence = MediaSequence(sequence.0.checked_add(1).ok_or(cursor.expected("a smaller media sequence"))?);
        entries.push(entry);
    }
    let playlist = MediaPlaylist { kind, target_duration, independent_segments, ended, entries };
    // One form for one meaning: it rules out what was skipped, repeated, or written otherwise.
    if playlist.render() == text { Ok(playlist) } else { Err(ParseError::NotCanonical) }
}

struct Cursor<'a> {
    rest: Lines<'a>,
    current: Option<&'a str>,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn advance(&mut self) {
        self.current = self.rest.next();
        self.line += 1;
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        ParseError::Expected { line: self.line, expected }
    }

    /// The rest of the line, if it begins so.
    fn take(&mut self, prefix: &str) -> Option<&'a str> {
        let rest = self.current.filter(|line| line.len() <= MAX_LINE_BYTES)?.strip_prefix(prefix)?;
        self.advance();
        Some(rest)
    }

    fn literal(&mut self, line: &'static str) -> Result<(), ParseError> {
        let error = self.expected(line);
        self.take(line).filter(|rest| rest.is_empty()).map(|_| ()).ok_or(error)
    }

    fn number(&mut self, tag: &'static str) -> Result<u64, ParseError> {
        let error = self.expected(tag);
        self.take(tag).and_then(digits).ok_or(error)
    }

    fn entry(
        &mut self,
        media_sequence: MediaSequence,
        discontinuity: &mut DiscontinuitySequence,
        independent: bool,
    ) -> Result<PlaylistEntry, ParseError> {
        let mut steps = 0;
        while self.current == Some("#EXT-X-DISCONTINUITY") {
            self.advance();
            steps += 1;
            if steps > MAX_DISCONTINUITY_STEP {
                return Err(ParseError::TooLarge("64 discontinuities in a row"));
            }
        }
        *discontinuity = DiscontinuitySequence(discontinuity.0.saturating_add(steps));
        // Where it has to stand and which section it names is checked by rendering.
        let _ = self.take("#EXT-X-MAP:");
        let no_date = self.expected("a date as in 2026-11-21T14:00:00.000Z");
        let program_date_time = match self.take("#EXT-X-PROGRAM-DATE-TIME:") {
            Some(text) => Some(time::parse(text).ok_or(no_date)?),
            None => None,
        };
        let gap = self.take("#EXT-X-GAP").is_some();
        let error = self.expected("#EXTINF: with three decimals");
        let duration = self.take("#EXTINF:").and_then(|text| text.strip_suffix(',')).and_then(seconds).ok_or(error)?;
        let discontinuity_sequence = *discontinuity;
        let entry =
            PlaylistEntry { media_sequence, discontinuity_sequence, duration, program_date_time, independent, gap };
        match self.current {
            Some(name) if name == entry.file_name() => self.advance(),
            _ => return Err(self.expected("the segment's number and .m4s")),
        }
        Ok(entry)
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, millis) = text.split_once('.').filter(|(_, millis)| millis.len() == 3)?;
    digits(whole)?.checked_mul(1000)?.checked_add(digits(millis)?).map(Duration::from_millis)
}
