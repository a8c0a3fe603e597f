//! A `moof`: what it says, whether that is allowed, and the numbers in it written over.

use mp4_atom::{Decode as _, Moof, Traf, Trun};

use super::timeline::{Run, Track};
use super::{BOX_HEADER, FRAGMENT_SAMPLES, RemuxError};

/// Tracks of a broadcast.
const TRACKS: usize = 2;

/// A fragment before its media.
#[derive(Debug)]
pub(super) struct Fragment {
    runs: Vec<Run>,
    /// Bytes of the `moof`.
    length: u64,
    /// Where in the fragment its samples are: from the first to behind the last.
    media: (u64, u64),
    /// Where in the `moof` the body of `mfhd` is.
    mfhd: usize,
    /// Where that of each `tfdt` is, in the order of the runs.
    tfdt: Vec<usize>,
}

impl Fragment {
    /// Reads a `moof` of a file with these tracks.
    pub(super) fn parse(bytes: &[u8], tracks: impl Iterator<Item = Track>) -> Result<Self, RemuxError> {
        let moof = Moof::decode(&mut &*bytes).map_err(|_| RemuxError::Segment("a moof cannot be read"))?;
        let tracks: Vec<Track> = tracks.collect();
        if moof.traf.is_empty() || moof.traf.len() > TRACKS {
            return Err(RemuxError::Segment("a moof without tracks, or with too many"));
        }
        let mut runs: Vec<Run> = Vec::with_capacity(TRACKS);
        let mut media: Option<(u64, u64)> = None;
        for traf in &moof.traf {
            let track = tracks.iter().position(|track| track.id == traf.tfhd.track_id);
            let track = track.ok_or(RemuxError::Segment("a moof with a track that is none of the file's"))?;
            if runs.iter().any(|run| run.track == track) {
                return Err(RemuxError::Segment("a moof with the same track twice"));
            }
            let (run, (from, to)) = read(traf, track, tracks[track])?;
            runs.push(run);
            media = Some(media.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        }
        let positions = Positions::find(bytes)?;
        if positions.tfdt.len() != runs.len() {
            return Err(RemuxError::Segment("a moof with a traf without one tfdt"));
        }
        let media = media.unwrap_or_default();
        Ok(Self { runs, length: bytes.len() as u64, media, mfhd: positions.mfhd, tfdt: positions.tfdt })
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Whether the samples are in the `mdat` that follows.
    pub(super) fn check_media(&self, header: u64, body: u64) -> Result<(), RemuxError> {
        let (from, to) = self.media;
        if from < self.length + header || to > self.length + header + body {
            return Err(RemuxError::Segment("samples outside of the mdat"));
        }
        Ok(())
    }

    /// Writes the number of the fragment and its decode times over those in `bytes`.
    pub(super) fn rewrite(&self, bytes: &mut [u8], sequence_number: u32, times: &[u64]) -> Result<(), RemuxError> {
        // Of `mfhd` and `tfdt`, what follows version and flags.
        bytes[self.mfhd + 4..self.mfhd + 8].copy_from_slice(&sequence_number.to_be_bytes());
        for (at, time) in self.tfdt.iter().zip(times) {
            if bytes[*at] == 1 {
                bytes[at + 4..at + 12].copy_from_slice(&time.to_be_bytes());
            } else {
                let time = u32::try_from(*time).map_err(|_| RemuxError::Segment("a tfdt with too few bits"))?;
                bytes[at + 4..at + 8].copy_from_slice(&time.to_be_bytes());
            }
        }
        Ok(())
    }
}

/// The samples of a track, and where in the fragment their bytes are.
fn read(traf: &Traf, index: usize, track: Track) -> Result<(Run, (u64, u64)), RemuxError> {
    let header = &traf.tfhd;
    if header.base_data_offset.is_some() || !header.default_base_is_moof {
        return Err(RemuxError::Segment("offsets that do not count from the moof"));
    }
    if header.sample_description_index.is_some_and(|index| index != 1) {
        return Err(RemuxError::Segment("a sample description that is not in the file"));
    }
    let decode_time = traf.tfdt.as_ref().ok_or(RemuxError::Segment("a traf without tfdt"))?.base_media_decode_time;
    let [run] = &traf.trun[..] else { return Err(RemuxError::Segment("a traf without one trun")) };
    let (duration, bytes) = sums(
        run,
        header.default_sample_duration.unwrap_or(track.default_duration),
        header.default_sample_size.unwrap_or(track.default_size),
    )?;
    let from = run.data_offset.and_then(|offset| u64::try_from(offset).ok());
    let from = from.ok_or(RemuxError::Segment("a trun without offset"))?;
    Ok((Run { track: index, decode_time, duration }, (from, from + bytes)))
}

/// Length and bytes of the samples of a run.
fn sums(run: &Trun, duration: u32, size: u32) -> Result<(u64, u64), RemuxError> {
    let count = run.samples.len() as u64;
    if count == 0 || count > FRAGMENT_SAMPLES {
        return Err(RemuxError::Segment("a run without samples, or with too many"));
    }
    let mut sums = (0, 0);
    for sample in run.samples.iter() {
        sums.0 += u64::from(sample.duration.unwrap_or(duration));
        sums.1 += u64::from(sample.size.unwrap_or(size));
    }
    Ok(sums)
}

/// Where the bodies of boxes begin.
struct Positions {
    mfhd: usize,
    tfdt: Vec<usize>,
}

impl Positions {
    fn find(moof: &[u8]) -> Result<Self, RemuxError> {
        let (mut mfhd, mut tfdt) = (None, Vec::with_capacity(TRACKS));
        for (kind, from, to) in boxes(moof, BOX_HEADER, moof.len())? {
            match &kind {
                b"mfhd" if to - from == 8 && mfhd.is_none() => mfhd = Some(from),
                b"mfhd" => return Err(RemuxError::Segment("a moof without one mfhd")),
                b"traf" => {
                    for (kind, from, to) in boxes(moof, from, to)? {
                        let length = if moof.get(from) == Some(&1) { 12 } else { 8 };
                        match &kind {
                            b"tfdt" if to - from == length => tfdt.push(from),
                            b"tfdt" => return Err(RemuxError::Segment("a tfdt of another length")),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Self { mfhd: mfhd.ok_or(RemuxError::Segment("a moof without mfhd"))?, tfdt })
    }
}

/// The boxes in a part of a box: kind, where the body begins, where it ends.
fn boxes(bytes: &[u8], mut at: usize, end: usize) -> Result<Vec<([u8; 4], usize, usize)>, RemuxError> {
    const WRONG: RemuxError = RemuxError::Segment("a moof with a box that has no proper size");
    let mut found = Vec::new();
    while at < end {
        let header = bytes.get(at..at + BOX_HEADER).ok_or(WRONG)?;
        let (size, kind) = header.split_first_chunk::<4>().ok_or(WRONG)?;
        let kind = kind.try_into().map_err(|_| WRONG)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (from, to) = (at + BOX_HEADER, at + size);
        if size < BOX_HEADER || to > end {
            return Err(WRONG);
        }
        found.push((kind, from, to));
        at = to;
    }
    Ok(found)
}
