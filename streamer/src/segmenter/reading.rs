//! What the segmenter wrote, read back: the samples of a segment, and segments made of samples. Pure.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mp4_atom::{Codec, Decode as _, Encode as _, Moof, Traf};

use super::cmaf::{self, AUDIO_TRACK, SYNC_SAMPLE, VIDEO_TIMESCALE, VIDEO_TRACK};
use super::codec::{AudioParameters, VideoParameters};
use super::output::{InitSection, Part};
use super::timeline::Placed;
use crate::init_section::moov;
use crate::media::TrackKind;

/// Length of the header of an `mdat` that is written here.
const BOX_HEADER: usize = 8;
/// Samples of a segment: a minute of 120 pictures and of the shortest frames of sound a second is below.
const MOST_SAMPLES: usize = 20_000;
/// Ticks that a decode time may have: centuries, and far from where sums overflow.
const MOST_TICKS: u64 = 1 << 48;

/// The samples of one segment were not read: it is none that the segmenter wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the segment cannot be read back: {0}")]
pub(crate) struct NotOurs(&'static str);

impl NotOurs {
    pub(crate) fn because(reason: &'static str) -> Self {
        Self(reason)
    }
}

/// The codec parameters of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodecParameters {
    pub(crate) video: Option<VideoParameters>,
    pub(crate) audio: Option<AudioParameters>,
}

impl CodecParameters {
    /// Those that an initialization section has.
    pub(crate) fn read(init: &Bytes) -> Result<Self, NotOurs> {
        let (mut video, mut audio) = (None, None);
        for trak in moov(init).map_err(NotOurs)?.trak {
            match trak.mdia.minf.stbl.stsd.codecs.into_iter().next() {
                Some(Codec::Avc1(avc1)) => {
                    let mut record = BytesMut::new();
                    avc1.avcc.encode(&mut record).map_err(|_| NotOurs("an avcC"))?;
                    let record = record.freeze().slice(BOX_HEADER..);
                    video = Some(VideoParameters::parse(&record).map_err(NotOurs)?);
                }
                Some(Codec::Mp4a(mp4a)) => {
                    let specific = mp4a.esds.es_desc.dec_config.dec_specific.map(|specific| specific.raw);
                    let record = Bytes::from(specific.ok_or(NotOurs("no AudioSpecificConfig"))?);
                    audio = Some(AudioParameters::parse(&record).map_err(NotOurs)?);
                }
                _ => return Err(NotOurs("a track that is neither H.264 nor AAC")),
            }
        }
        Ok(Self { video, audio })
    }

    /// The initialization section of tracks with these.
    pub(crate) fn init_section(&self) -> Result<InitSection, NotOurs> {
        cmaf::init_section(self.video.as_ref(), self.audio.as_ref()).map_err(|_| NotOurs("too large"))
    }
}

/// The parts of the file of a segment, each from a `moof` to the next.
pub(crate) fn parts(file: &Bytes) -> Result<Vec<Bytes>, NotOurs> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let header: [u8; BOX_HEADER] = file
            .get(at..at + BOX_HEADER)
            .and_then(|header| header.try_into().ok())
            .ok_or(NotOurs("a box cut short"))?;
        let [a, b, c, d, kind @ ..] = header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length < BOX_HEADER || length > file.len() - at {
            return Err(NotOurs("a box of a length that cannot be"));
        }
        if kind == *b"moof" {
            starts.push(at);
        } else if starts.is_empty() {
            return Err(NotOurs("it does not begin with a moof"));
        }
        at += length;
    }
    let ends = starts.iter().skip(1).copied().chain([file.len()]);
    Ok(starts.iter().zip(ends).map(|(start, end)| file.slice(*start..end)).collect())
}

/// The samples of a segment, each track in its decode order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Samples {
    pub(crate) video: Vec<Placed>,
    pub(crate) audio: Vec<Placed>,
}

impl Samples {
    /// Those of a segment's parts.
    pub(crate) fn read<'a>(
        parameters: &CodecParameters,
        parts: impl IntoIterator<Item = &'a Bytes>,
    ) -> Result<Self, NotOurs> {
        let mut samples = Self::default();
        for part in parts {
            let mut rest = &part[..];
            let moof = Moof::decode(&mut rest).map_err(|_| NotOurs("no moof"))?;
            for traf in &moof.traf {
                match (traf.tfhd.track_id, &parameters.audio) {
                    (VIDEO_TRACK, _) => read_run(part, traf, TrackKind::Video, VIDEO_TIMESCALE, &mut samples.video)?,
                    (AUDIO_TRACK, Some(audio)) => {
                        read_run(part, traf, TrackKind::Audio, audio.sample_rate, &mut samples.audio)?;
                    }
                    _ => return Err(NotOurs("an unknown track")),
                }
            }
            if samples.video.len() + samples.audio.len() > MOST_SAMPLES {
                return Err(NotOurs("too many samples"));
            }
        }
        Ok(samples)
    }

    /// Parts of about a length, each beginning with a picture where there are pictures; they begin with keyframes where
    /// those come in time.
    /// `first` is the number of the first fragment.
    pub(crate) fn into_parts(self, length: Duration, first: u32) -> Result<Vec<Part>, NotOurs> {
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
        let leading = if self.video.is_empty() { &self.audio } else { &self.video };
        let end = self.video.iter().chain(&self.audio).map(|sample| sample.end).max().unwrap_or(0);
        let mut starts: Vec<(i64, bool)> = Vec::new();
        for sample in leading {
            let since = starts.last().map_or(i64::MAX, |(start, _)| sample.at - start);
            // A keyframe that comes in the second half of a part begins the next.
            if since >= length || sample.track == TrackKind::Video && sample.keyframe && since >= length / 2 {
                starts.push((sample.at, sample.keyframe));
            }
        }
        let (mut video, mut audio) = (self.video.as_slice(), self.audio.as_slice());
        let mut parts = Vec::with_capacity(starts.len());
        for (index, (start, independent)) in starts.iter().enumerate() {
            let next = starts.get(index + 1).map(|(next, _)| *next);
            let until = |samples: &[Placed]| {
                next.map_or(samples.len(), |next| samples.iter().take_while(|sample| sample.at < next).count())
            };
            let (pictures, sounds);
            (pictures, video) = video.split_at(until(video));
            (sounds, audio) = audio.split_at(until(audio));
            let number = first.saturating_add(u32::try_from(index).unwrap_or(u32::MAX));
            let bytes = cmaf::fragment(number, pictures, sounds).map_err(|_| NotOurs("too large"))?;
            let duration = u64::try_from(next.unwrap_or(end) - start).unwrap_or(0);
            parts.push(Part { bytes, duration: Duration::from_micros(duration), independent: *independent });
        }
        Ok(parts)
    }
}

fn read_run(part: &Bytes, traf: &Traf, track: TrackKind, timescale: u32, out: &mut Vec<Placed>) -> Result<(), NotOurs> {
    let [run] = &traf.trun[..] else { return Err(NotOurs("a traf without one trun")) };
    let mut decode_time = traf.tfdt.as_ref().ok_or(NotOurs("no tfdt"))?.base_media_decode_time;
    if decode_time > MOST_TICKS {
        return Err(NotOurs("a time that no broadcast reaches"));
    }
    let mut offset = run.data_offset.and_then(|offset| usize::try_from(offset).ok()).ok_or(NotOurs("no offset"))?;
    for sample in run.samples.iter() {
        let duration = sample.duration.or(traf.tfhd.default_sample_duration).ok_or(NotOurs("no duration"))?;
        let size = sample.size.ok_or(NotOurs("no size"))? as usize;
        let end = offset.checked_add(size).filter(|end| *end <= part.len()).ok_or(NotOurs("a sample outside"))?;
        let flags = sample.flags.or(traf.tfhd.default_sample_flags).unwrap_or(SYNC_SAMPLE);
        let composition_offset = sample.cts.and_then(|cts| i32::try_from(cts).ok()).unwrap_or(0);
        let keyframe = track == TrackKind::Audio || flags == SYNC_SAMPLE;
        let data = part.slice(offset..end);
        out.push(Placed::new(track, keyframe, data, (decode_time, duration, composition_offset), (timescale, 0)));
        decode_time = decode_time.saturating_add(duration.into());
        offset = end;
    }
    Ok(())
}
