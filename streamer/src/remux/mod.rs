//! Media segments of a broadcast as one fragmented MP4 (ISO/IEC 14496-12 §8.8), written while they are read.
//!
//! In come the initialization section and the bytes of segments, in order and in pieces of any length; out comes a file
//! whose time line begins at 0 and has no holes, whatever discontinuities lie between the segments. Media is passed on as it
//! is; of boxes only `moof` is held, up to its end. Numbers are written over in place, so the bytes of the file are known
//! before it is made. Segments are somebody else's: what CMAF does not allow is refused. No I/O, no clock.

mod header;
mod moof;
mod timeline;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};

use self::header::{Header, random_access};
use self::moof::Fragment;
use self::timeline::Timeline;

/// Bytes of a `moof`: one of a part with a thousand samples has about 20 KB.
const MOOF_BYTES: usize = 1 << 20;
/// Size and type of a box.
const BOX_HEADER: usize = 8;
/// Samples of a fragment: those of a minute at 1000 a second.
const FRAGMENT_SAMPLES: u64 = 60_000;

/// Why media cannot be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemuxError {
    /// The initialization section is none that a broadcast has.
    #[error("the initialization section is not one of a broadcast: {0}")]
    Init(&'static str),
    /// A segment is no sequence of CMAF fragments for that initialization section.
    #[error("a segment is not made of CMAF fragments: {0}")]
    Segment(&'static str),
    /// A segment has another length than was planned.
    #[error("a segment has {found} bytes, not {planned}")]
    Length {
        /// As it was planned.
        planned: u64,
        /// As it came.
        found: u64,
    },
}

/// Where in a segment the input is.
#[derive(Debug)]
enum Place {
    /// Between boxes, or in the header of one.
    Between,
    /// In a `moof` of this length.
    Moof(usize),
    /// In a box that is passed on, with so many bytes to come.
    Passing(u64),
}

/// Makes the file.
#[derive(Debug)]
pub struct Remuxer {
    timeline: Timeline,
    /// What goes into the index: where each segment begins, in time and in bytes.
    random_access: Vec<(u64, u64)>,
    /// Bytes that the index takes, where the number of segments is known.
    reserved: Option<u64>,
    sequence_number: u32,
    place: Place,
    /// A box that is not whole yet.
    pending: BytesMut,
    /// The fragment whose `mdat` must follow.
    fragment: Option<Fragment>,
    fragments: u64,
    /// Bytes of the segment so far.
    read: u64,
    written: u64,
    output: VecDeque<Bytes>,
}

impl Remuxer {
    /// A file with the tracks of this initialization section and a length of `duration`. Where the number of its segments is known,
    /// so is the length of the index at its end (`mfra`).
    ///
    /// # Errors
    /// Where the initialization section is none of H.264 and AAC.
    pub fn new(init: &[u8], duration: Duration, segments: Option<usize>) -> Result<Self, RemuxError> {
        let header = Header::parse(init)?;
        let timeline = Timeline::new(header.tracks());
        let written = header.write(duration)?;
        // Whatever its numbers will be, the index is not longer.
        let most = |count| random_access(timeline.leading_track(), vec![(u64::MAX, u64::MAX); count]);
        let reserved = segments.map(most).transpose()?.map(|index| index.len() as u64);
        Ok(Self {
            timeline,
            random_access: Vec::new(),
            reserved,
            sequence_number: 0,
            place: Place::Between,
            pending: BytesMut::new(),
            fragment: None,
            fragments: 0,
            read: 0,
            written: written.len() as u64,
            output: VecDeque::from([written]),
        })
    }

    /// Bytes written so far: at first, of what stands before the segments.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Begins with another segment. After a `discontinuity` its timestamps have nothing to do with those before.
    pub fn begin_segment(&mut self, discontinuity: bool) {
        self.read = 0;
        self.fragments = 0;
        if discontinuity {
            self.timeline.forget();
        }
        self.random_access.push((self.timeline.reached(), self.written));
    }

    /// Takes the next bytes of the segment. Take the output before giving more, or it grows.
    ///
    /// # Errors
    /// Where they are not what a segment may have; the file cannot be continued then.
    pub fn push(&mut self, mut bytes: Bytes) -> Result<(), RemuxError> {
        self.read += bytes.len() as u64;
        while !bytes.is_empty() {
            match self.place {
                Place::Between => {
                    if self.fill(&mut bytes, BOX_HEADER) {
                        self.begin_box()?;
                    }
                }
                Place::Moof(length) => {
                    if self.fill(&mut bytes, length) {
                        self.end_moof()?;
                    }
                }
                Place::Passing(left) => {
                    let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let left = left - length as u64;
                    self.place = if left == 0 { Place::Between } else { Place::Passing(left) };
                    self.write(bytes.split_to(length));
                }
            }
        }
        Ok(())
    }

    /// The segment is complete.
    ///
    /// # Errors
    /// Where it is not, has no media, or another length than planned.
    pub fn end_segment(&mut self, planned: Option<u64>) -> Result<(), RemuxError> {
        if !matches!(self.place, Place::Between) || !self.pending.is_empty() {
            return Err(RemuxError::Segment("it ends within a box"));
        }
        if self.fragment.is_some() {
            return Err(RemuxError::Segment("it ends with a moof"));
        }
        if self.fragments == 0 {
            return Err(RemuxError::Segment("it has no fragment"));
        }
        match planned {
            Some(planned) if planned != self.read => Err(RemuxError::Length { planned, found: self.read }),
            _ => Ok(()),
        }
    }

    /// Bytes of the index at the end, where that is known.
    pub fn reserved(&self) -> Option<u64> {
        self.reserved
    }

    /// The file is complete: writes the index.
    ///
    /// # Errors
    /// Where the index is too large for its format, or longer than was planned.
    pub fn finish(&mut self) -> Result<(), RemuxError> {
        let index = random_access(self.timeline.leading_track(), std::mem::take(&mut self.random_access))?;
        if let Some(reserved) = self.reserved {
            let found = index.len() as u64;
            // Shorter numbers save eight bytes for each segment: room for the header of a box.
            let left = reserved.checked_sub(found).ok_or(RemuxError::Length { planned: reserved, found })?;
            let left = usize::try_from(left).map_err(|_| RemuxError::Segment("the index is too large"))?;
            if left >= BOX_HEADER {
                let size = u32::try_from(left).map_err(|_| RemuxError::Segment("the index is too large"))?;
                let mut free = BytesMut::zeroed(left);
                free[..4].copy_from_slice(&size.to_be_bytes());
                free[4..8].copy_from_slice(b"free");
                self.write(free.freeze());
            }
        }
        self.write(index);
        Ok(())
    }

    /// The next bytes of the file.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        self.output.pop_front()
    }

    fn write(&mut self, bytes: Bytes) {
        self.written += bytes.len() as u64;
        self.output.push_back(bytes);
    }

    /// Moves bytes until so many are held; true once they are.
    fn fill(&mut self, bytes: &mut Bytes, length: usize) -> bool {
        let missing = length.saturating_sub(self.pending.len()).min(bytes.len());
        self.pending.extend_from_slice(&bytes[..missing]);
        bytes.advance(missing);
        self.pending.len() >= length
    }

    /// `pending` is the header of a box.
    fn begin_box(&mut self) -> Result<(), RemuxError> {
        let mut header = &self.pending[..];
        let size = u64::from(header.get_u32());
        let kind = header.get_u32().to_be_bytes();
        // 0 is "up to the end of the file", 1 "64 bits follow": for files, not for segments of some megabytes.
        let body = size.checked_sub(BOX_HEADER as u64).ok_or(RemuxError::Segment("a box has no proper size"))?;
        match (&kind, self.fragment.take()) {
            (b"mdat", Some(fragment)) => {
                fragment.check_media(BOX_HEADER as u64, body)?;
                self.fragments += 1;
            }
            (_, Some(_)) => return Err(RemuxError::Segment("a moof without its mdat")),
            (b"mdat", None) => return Err(RemuxError::Segment("an mdat without its moof")),
            (b"moof", None) => {
                let length = usize::try_from(size).ok().filter(|length| *length <= MOOF_BYTES);
                self.place = Place::Moof(length.ok_or(RemuxError::Segment("a moof is too large"))?);
                return Ok(());
            }
            // Indices and brands of the segment say nothing of the file: room that readers pass over.
            (_, None) => self.pending[4..].copy_from_slice(b"free"),
        }
        let header = self.pending.split().freeze();
        self.write(header);
        self.place = if body == 0 { Place::Between } else { Place::Passing(body) };
        Ok(())
    }

    /// `pending` is a `moof`.
    fn end_moof(&mut self) -> Result<(), RemuxError> {
        let mut bytes = self.pending.split();
        let fragment = Fragment::parse(&bytes, self.timeline.tracks())?;
        self.sequence_number = self.sequence_number.checked_add(1).ok_or(RemuxError::Segment("too many fragments"))?;
        let placed = self.timeline.place(fragment.runs());
        fragment.rewrite(&mut bytes, self.sequence_number, &placed)?;
        self.fragment = Some(fragment);
        self.place = Place::Between;
        self.write(bytes.freeze());
        Ok(())
    }

    /// Bytes held back.
    fn held(&self) -> usize {
        self.pending.len()
    }
}

/// Takes an initialization section and segments apart as a download does, for fuzzing and for replaying its corpus: the first
/// two bytes say how long the initialization section is, the next how long the pieces are that the rest arrives in; the rest is two
/// segments of the same length. The bounds are asserted.
///
/// # Panics
/// Where a bound does not hold.
#[doc(hidden)]
pub fn exercise(input: &[u8]) {
    let [high, low, step, rest @ ..] = input else { return };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (init, media) = rest.split_at(length);
    for plan in [None, Some(media.len() as u64)] {
        let Ok(mut remuxer) = Remuxer::new(init, Duration::from_secs(4), plan.map(|_| 2)) else { return };
        let mut given = remuxer.written();
        let mut taken = 0;
        for segment in 0..2 {
            remuxer.begin_segment(segment == 1 && plan.is_some());
            for piece in media.chunks(usize::from(*step).max(1) * 16) {
                if remuxer.push(Bytes::copy_from_slice(piece)).is_err() {
                    return;
                }
                given += piece.len() as u64;
                taken += std::iter::from_fn(|| remuxer.poll_output()).map(|bytes| bytes.len() as u64).sum::<u64>();
                assert!(remuxer.held() <= MOOF_BYTES, "{} bytes held", remuxer.held());
                assert_eq!(given, taken + remuxer.held() as u64, "bytes came or went");
            }
            if remuxer.end_segment(plan).is_err() {
                return;
            }
        }
        assert!(remuxer.finish().is_ok(), "two segments fit any index");
    }
}
