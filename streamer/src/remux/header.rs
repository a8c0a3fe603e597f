//! What stands before the segments, and the index that may stand behind them.

use bytes::{Bytes, BytesMut};
use mp4_atom::{
    Codec, Encode as _, FourCC, FragmentInfo, Ftyp, Mehd, Mfra, Mfro, Minf, Moov, Mvex, Mvhd, Stbl, Stco, Stsd, Tfra,
    Tkhd, Trak, Trex,
};
use std::time::Duration;

use super::RemuxError;
use super::timeline::Track;
use crate::init_section::moov;

/// Ticks a second of the whole file: segments have whole milliseconds.
const TIMESCALE: u32 = 1000;
/// The highest timescale of a track: nanoseconds.
const MAX_TIMESCALE: u32 = 1_000_000_000;

/// The tracks of the file, with what is needed to play them, and nothing else of the initialization section.
#[derive(Debug)]
pub(super) struct Header {
    /// Video first.
    tracks: Vec<(Trak, Trex)>,
}

impl Header {
    /// Reads `ftyp` and `moov`.
    pub(super) fn parse(init: &[u8]) -> Result<Self, RemuxError> {
        let moov = moov(init).map_err(RemuxError::Init)?;
        let defaults = moov.mvex.map(|mvex| mvex.trex).unwrap_or_default();
        let (mut video, mut audio) = (None, None);
        for trak in moov.trak {
            let id = trak.tkhd.track_id;
            let of_track = defaults.iter().find(|trex| trex.track_id == id);
            let trex = of_track.cloned().ok_or(RemuxError::Init("a track without defaults for its fragments"))?;
            let place = match trak.mdia.minf.stbl.stsd.codecs[..] {
                [Codec::Avc1(_) | Codec::Avc3(_)] => &mut video,
                [Codec::Mp4a(_)] => &mut audio,
                _ => return Err(RemuxError::Init("a track that is neither H.264 nor AAC")),
            };
            if !(1..=MAX_TIMESCALE).contains(&trak.mdia.mdhd.timescale) || id == 0 {
                return Err(RemuxError::Init("a track without timescale or number"));
            }
            if place.replace((bare(trak), trex)).is_some() {
                return Err(RemuxError::Init("two tracks of the same kind"));
            }
        }
        let tracks: Vec<_> = [video, audio].into_iter().flatten().collect();
        match &tracks[..] {
            [] => Err(RemuxError::Init("it has no track")),
            [(one, _), (other, _)] if one.tkhd.track_id == other.tkhd.track_id => {
                Err(RemuxError::Init("two tracks with the same number"))
            }
            _ => Ok(Self { tracks }),
        }
    }

    pub(super) fn tracks(&self) -> Vec<Track> {
        let track = |(trak, trex): &(Trak, Trex)| Track {
            id: trak.tkhd.track_id,
            timescale: trak.mdia.mdhd.timescale,
            default_duration: trex.default_sample_duration,
            default_size: trex.default_sample_size,
        };
        self.tracks.iter().map(track).collect()
    }

    /// `ftyp` and `moov`.
    pub(super) fn write(self, duration: Duration) -> Result<Bytes, RemuxError> {
        let brands: [&[u8; 4]; 3] = [b"iso6", b"mp41", b"mp42"];
        let ftyp = Ftyp {
            major_brand: b"iso6".into(),
            minor_version: 0,
            compatible_brands: brands.into_iter().map(FourCC::new).collect(),
        };
        let next = self.tracks.iter().map(|(trak, _)| trak.tkhd.track_id).max().unwrap_or(0);
        let (trak, trex) = self.tracks.into_iter().unzip();
        let duration = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let moov = Moov {
            mvhd: Mvhd {
                timescale: TIMESCALE,
                // By the letter that of no fragments. But ffmpeg reads it here, and `mehd` not.
                duration,
                rate: 1.into(),
                volume: 1.into(),
                next_track_id: next.saturating_add(1),
                ..Mvhd::default()
            },
            mvex: Some(Mvex { mehd: Some(Mehd { fragment_duration: duration }), trex }),
            trak,
            ..Moov::default()
        };
        let mut bytes = BytesMut::new();
        let encode = |error: Result<(), mp4_atom::Error>| error.map_err(|_| RemuxError::Init("it cannot be written"));
        encode(ftyp.encode(&mut bytes))?;
        encode(moov.encode(&mut bytes))?;
        Ok(bytes.freeze())
    }
}

/// A track without what only its publisher's file would have: sample tables, edits, notes.
fn bare(trak: Trak) -> Trak {
    let mut mdia = trak.mdia;
    let Minf { vmhd, smhd, dinf, stbl, .. } = mdia.minf;
    let codecs = Stsd { codecs: stbl.stsd.codecs };
    mdia.minf = Minf {
        vmhd,
        smhd,
        dinf,
        stbl: Stbl { stsd: codecs, stco: Some(Stco::default()), ..Stbl::default() },
        ..Minf::default()
    };
    mdia.mdhd.duration = 0;
    Trak { tkhd: Tkhd { duration: 0, ..trak.tkhd }, mdia, ..Trak::default() }
}

/// `mfra` for a track: decode time and position of each segment.
pub(super) fn random_access(track_id: u32, index: Vec<(u64, u64)>) -> Result<Bytes, RemuxError> {
    let entry =
        |(time, moof_offset)| FragmentInfo { time, moof_offset, traf_number: 1, trun_number: 1, sample_delta: 1 };
    let tfra = Tfra { track_id, entries: index.into_iter().map(entry).collect() };
    let mut mfra = Mfra { tfra: vec![tfra], mfro: Mfro::default() };
    let mut bytes = BytesMut::new();
    let failed = |_| RemuxError::Segment("the index cannot be written");
    // The box says its own length at its end: write it to know it.
    mfra.encode(&mut bytes).map_err(failed)?;
    mfra.mfro.parent_size = u32::try_from(bytes.len()).map_err(|_| RemuxError::Segment("the index is too large"))?;
    bytes.clear();
    mfra.encode(&mut bytes).map_err(failed)?;
    Ok(bytes.freeze())
}
