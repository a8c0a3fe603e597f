//! Segments of renditions: those with sound alone, and those with pictures that were encoded anew. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use stream_model::{MediaSequence, Variant};

use super::framing::{EncodedPicture, Output, Pictures, Request, Sheet};
use crate::media::TrackKind;
use crate::segmenter::{
    AudioParameters, CodecParameters, InitSection, NotOurs, Part, Placed, Samples, VideoParameters,
};

/// Ticks a second of pictures.
const TIMESCALE: u32 = 90_000;
/// Numbers of fragments that each segment has for itself: more than it has fragments.
const FRAGMENTS: u64 = 1_024;
/// Longest time between keyframes of a rendition: who seeks waits for one.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(2);

/// A segment of a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) init: InitSection,
    pub(crate) parts: Vec<Part>,
    /// Bytes of its sound.
    sound: usize,
}

impl Made {
    /// Average rate of its sound by this segment of such a length, bit/s.
    pub(crate) fn sound_rate(&self, duration: Duration) -> u64 {
        rate(self.sound, duration)
    }

    /// What a player has to know, by this segment of such a length; `bandwidth` where the encoder was given a bound.
    pub(crate) fn variant(&self, duration: Duration, bandwidth: Option<u64>) -> Variant {
        let measured = rate(self.parts.iter().map(|part| part.bytes.len()).sum(), duration);
        Variant {
            bandwidth: bandwidth.map_or(measured, |bound| bound.max(measured)).max(1),
            codecs: self.init.codecs.join(","),
            resolution: self.init.resolution,
        }
    }
}

/// One stored segment on its way to renditions.
#[derive(Debug)]
pub(crate) struct Making {
    parameters: CodecParameters,
    samples: Samples,
    part_duration: Duration,
    first_fragment: u32,
}

impl Making {
    /// Of a segment with this number, of its initialization section and its parts.
    pub(crate) fn read<'a>(
        init: &Bytes,
        parts: impl IntoIterator<Item = &'a Bytes>,
        sequence: MediaSequence,
        part_duration: Duration,
    ) -> Result<Self, NotOurs> {
        let parameters = CodecParameters::read(init)?;
        let samples = Samples::read(&parameters, parts)?;
        let first_fragment = u32::try_from(sequence.0.saturating_mul(FRAGMENTS) % (1 << 31)).unwrap_or(0) + 1;
        Ok(Self { parameters, samples, part_duration, first_fragment })
    }

    /// What a player has to know of the original, by this segment of such a length.
    pub(crate) fn original(&self, duration: Duration) -> Variant {
        let CodecParameters { video, audio } = &self.parameters;
        let codecs = video.iter().map(VideoParameters::codec).chain(audio.iter().map(AudioParameters::codec));
        let samples = self.samples.video.iter().chain(&self.samples.audio);
        Variant {
            bandwidth: rate(samples.map(|sample| sample.data.len()).sum(), duration).max(1),
            codecs: codecs.collect::<Vec<_>>().join(","),
            resolution: video.as_ref().map(|video| (video.width.into(), video.height.into())),
        }
    }

    /// Lines of the picture; `None` where there is none.
    pub(crate) fn height(&self) -> Option<u32> {
        self.parameters.video.as_ref().map(|video| video.height.into())
    }

    /// The frames of its sound, of which there may be none; `None` where it is without.
    pub(crate) fn sound(&self) -> Option<(&AudioParameters, &[Placed])> {
        Some((self.parameters.audio.as_ref()?, &self.samples.audio))
    }

    /// The segment with its sound alone; `None` where it has none.
    pub(crate) fn sound_only(&self) -> Option<Result<Made, NotOurs>> {
        self.parameters.audio.as_ref()?;
        let parameters = CodecParameters { video: None, audio: self.parameters.audio.clone() };
        let samples = Samples { video: Vec::new(), audio: self.samples.audio.clone() };
        (!samples.audio.is_empty()).then(|| self.made(&parameters, samples))
    }

    /// What an encoder is asked for, with outputs of these heights and rates in kbit/s; `None` where there is no picture to begin
    /// with.
    pub(crate) fn request(&self, wanted: &[(NonZeroU32, NonZeroU32)]) -> Option<Request> {
        let video = self.parameters.video.as_ref()?;
        let first = self.samples.video.first().filter(|first| first.keyframe)?;
        let mut pictures = Vec::with_capacity(self.samples.video.len());
        for sample in &self.samples.video {
            let shown = i64::try_from(sample.decode_time).unwrap_or(i64::MAX);
            let shown = u64::try_from(shown.saturating_add(sample.composition_offset.into())).ok()?;
            pictures.push((shown, sample.keyframe, sample.data.clone()));
        }
        let interval = KEYFRAME_INTERVAL.as_secs_f64() * f64::from(TIMESCALE) / f64::from(first.duration.max(1));
        let keyframe_interval = NonZeroU32::new(interval.round() as u32).unwrap_or(NonZeroU32::MIN);
        let output = |(height, kbps): &(NonZeroU32, NonZeroU32)| {
            let (width, height) = scaled((video.width.into(), video.height.into()), height.get());
            Output::H264 { width, height, kbps: *kbps }
        };
        let outputs = wanted.iter().map(output).collect();
        Some(Request { config: video.record.clone(), pictures: Pictures(pictures), outputs, keyframe_interval })
    }

    /// What an encoder is asked for, to have JPEGs of keyframes; `None` where there is none. Of each of `parts` equal parts of
    /// the segment there is the keyframe that is shown when it begins.
    pub(crate) fn jpegs(&self, parts: NonZeroU32, sheets: &[Sheet]) -> Option<Request> {
        let record = self.parameters.video.as_ref()?.record.clone();
        let (first, last) = (self.samples.video.first()?, self.samples.video.last()?);
        let duration = (last.decode_time + u64::from(last.duration)).saturating_sub(first.decode_time);
        let keyframes: Vec<_> = self.samples.video.iter().filter(|sample| sample.keyframe).collect();
        let mut pictures = Vec::with_capacity(parts.get() as usize);
        for part in 0..u64::from(parts.get()) {
            let begins = first.decode_time + duration * part / u64::from(parts.get());
            let before = keyframes.partition_point(|keyframe| keyframe.decode_time <= begins);
            let keyframe = keyframes.get(before.saturating_sub(1))?;
            // Each is shown by itself: all that their times have to do is to rise.
            pictures.push((part * u64::from(TIMESCALE), true, keyframe.data.clone()));
        }
        let outputs = sheets.iter().copied().map(Output::Jpeg).collect();
        Some(Request { config: record, pictures: Pictures(pictures), outputs, keyframe_interval: NonZeroU32::MIN })
    }

    /// The segment with pictures that were encoded anew, and its sound.
    pub(crate) fn with_pictures(&self, config: &Bytes, pictures: &[EncodedPicture]) -> Result<Made, NotOurs> {
        let video = VideoParameters::parse(config).map_err(NotOurs::because)?;
        let parameters = CodecParameters { video: Some(video), audio: self.parameters.audio.clone() };
        let end = self.samples.video.iter().map(|sample| sample.decode_time + u64::from(sample.duration)).max();
        let mut video = Vec::with_capacity(pictures.len());
        for (index, picture) in pictures.iter().enumerate() {
            let next = pictures.get(index + 1).map(|next| next.shown).or(end).unwrap_or(picture.shown);
            let duration = u32::try_from(next.saturating_sub(picture.shown)).unwrap_or(0).max(1);
            let times = (picture.shown, duration, 0);
            video.push(Placed::new(TrackKind::Video, picture.keyframe, picture.data.clone(), times, (TIMESCALE, 0)));
        }
        self.made(&parameters, Samples { video, audio: self.samples.audio.clone() })
    }

    fn made(&self, parameters: &CodecParameters, samples: Samples) -> Result<Made, NotOurs> {
        let sound = samples.audio.iter().map(|sample| sample.data.len()).sum();
        let parts = samples.into_parts(self.part_duration, self.first_fragment)?;
        Ok(Made { init: parameters.init_section()?, parts, sound })
    }
}

/// Of so many bytes in such a time, bit/s.
pub(crate) fn rate(bytes: usize, duration: Duration) -> u64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
    (bytes as u64).saturating_mul(8_000).div_ceil(millis)
}

/// Width and height of a picture of such a size, scaled to a height; even, as H.264 with 4:2:0 has them.
fn scaled((width, height): (u32, u32), wanted: u32) -> (u32, u32) {
    let even = |side: u64| u32::try_from(side / 2 * 2).unwrap_or(u32::MAX - 1).max(2);
    let scaled = u64::from(width) * u64::from(wanted) / u64::from(height.max(1));
    (even(scaled + 1), even(wanted.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{MediaEvent, Sample};
    use crate::segmenter::{Config, Output, Segment, Segmenter, parts};

    /// 1280x720, High profile.
    const VIDEO_CONFIG: &[u8] = &[
        1, 100, 0, 31, 0xff, 0xe1, 0, 28, 103, 100, 0, 31, 172, 217, 128, 80, 5, 187, 1, 106, 2, 2, 2, 128, 0, 0, 3, 0,
        128, 0, 0, 30, 7, 140, 24, 205, 1, 0, 5, 104, 233, 123, 44, 139,
    ];
    /// AAC-LC, 48 kHz, stereo.
    const AUDIO_CONFIG: &[u8] = &[0x11, 0x90];

    /// Segments of 2 s with a keyframe each second, each second picture shown after the one behind it, and sound.
    fn segments() -> Vec<Segment> {
        let config = Config { target_duration: Duration::from_secs(2), ..Config::default() };
        let mut segmenter = Segmenter::new(config);
        segmenter.handle(MediaEvent::Expect { video: true, audio: true });
        segmenter.handle(MediaEvent::VideoConfig(Bytes::from_static(VIDEO_CONFIG)));
        segmenter.handle(MediaEvent::AudioConfig(Bytes::from_static(AUDIO_CONFIG)));
        for number in 0..6 * 25_u32 {
            let sample = |track, composition_offset, keyframe| Sample {
                track,
                timestamp: number * 40,
                composition_offset,
                keyframe,
                data: Bytes::from(vec![number as u8; 20]),
            };
            let keyframe = number.is_multiple_of(25);
            let offset = match number % 25 {
                0 => 40,
                within if within.is_multiple_of(2) => 0,
                _ => 80,
            };
            segmenter.handle(MediaEvent::Sample(sample(TrackKind::Video, offset, keyframe)));
            segmenter.handle(MediaEvent::Sample(sample(TrackKind::Audio, 0, true)));
        }
        segmenter.finish();
        let outputs = std::iter::from_fn(|| segmenter.poll_output());
        outputs.filter_map(|output| if let Output::Segment(segment) = output { Some(segment) } else { None }).collect()
    }

    fn read(segment: &Segment) -> Making {
        let parts = segment.parts.iter().map(|part| &part.bytes);
        Making::read(&segment.init, parts, MediaSequence(7), Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn the_sound_alone_is_the_sound_of_the_original() {
        for segment in segments() {
            let original = read(&segment);
            let made = original.sound_only().unwrap().unwrap();
            assert_eq!((made.init.codecs.as_slice(), made.init.resolution), (&["mp4a.40.2".to_owned()][..], None));
            let parameters = CodecParameters::read(&made.init.bytes).unwrap();
            let sound = Samples::read(&parameters, made.parts.iter().map(|part| &part.bytes)).unwrap();
            assert_eq!((sound.audio, sound.video.len()), (original.samples.audio, 0));
        }
    }

    #[test]
    fn pictures_that_were_encoded_anew_are_shown_when_those_of_the_original_are() {
        for segment in segments() {
            let original = read(&segment);
            let wanted = (NonZeroU32::new(360).unwrap(), NonZeroU32::new(500).unwrap());
            let request = original.request(&[wanted]).unwrap();
            let output = crate::renditions::framing::Output::H264 { width: 640, height: 360, kbps: wanted.1 };
            assert_eq!(request.outputs, [output]);
            assert_eq!(request.keyframe_interval.get(), 50, "2 s of 25 pictures a second");
            let mut pictures = request.pictures.0;
            pictures.sort_by_key(|(shown, ..)| *shown);
            let encoded: Vec<_> = pictures
                .iter()
                .map(|(shown, keyframe, data)| EncodedPicture {
                    shown: *shown,
                    keyframe: *keyframe,
                    data: data.clone(),
                })
                .collect();
            let made = original.with_pictures(&Bytes::from_static(VIDEO_CONFIG), &encoded).unwrap();
            let parameters = CodecParameters::read(&made.init.bytes).unwrap();
            let read = Samples::read(&parameters, made.parts.iter().map(|part| &part.bytes)).unwrap();
            let shown: Vec<_> = read.video.iter().map(|sample| sample.decode_time).collect();
            assert_eq!(shown, pictures.iter().map(|(shown, ..)| *shown).collect::<Vec<_>>());
            assert_eq!(read.audio, original.samples.audio);
            assert!(made.parts.iter().all(|part| part.independent), "each part begins with a keyframe");
            let length: Duration = made.parts.iter().map(|part| part.duration).sum();
            assert!(length.abs_diff(segment.duration) < Duration::from_millis(100), "{length:?}");
        }
    }

    #[test]
    fn jpegs_are_made_of_the_keyframes_that_are_shown_when_a_part_begins() {
        let segment = &segments()[0];
        let parts = |parts| {
            let request = read(segment).jpegs(NonZeroU32::new(parts).unwrap(), &[]).unwrap();
            let pictures = request.pictures.0.into_iter();
            pictures.map(|(shown, keyframe, data)| (shown, keyframe, data[0])).collect::<Vec<_>>()
        };
        assert_eq!(parts(2), [(0, true, 0), (90_000, true, 25)], "a keyframe each second");
        let numbers: Vec<_> = parts(5).iter().map(|(_, _, number)| *number).collect();
        assert_eq!(numbers, [0, 0, 0, 25, 25]);
    }

    #[test]
    fn rates_are_those_of_the_segment_or_the_bound_of_the_encoder() {
        let segment = &segments()[0];
        let made = read(segment).sound_only().unwrap().unwrap();
        let measured = made.variant(segment.duration, None).bandwidth;
        assert!(measured > made.sound_rate(segment.duration), "boxes take room too");
        assert_eq!(made.variant(segment.duration, Some(1_000_000)).bandwidth, 1_000_000);
        assert_eq!(made.variant(segment.duration, Some(1)).bandwidth, measured);
    }

    #[test]
    fn a_file_falls_into_the_parts_that_it_was_made_of() {
        for segment in segments() {
            let made: Vec<_> = segment.parts.iter().map(|part| part.bytes.clone()).collect();
            assert_eq!(parts(&Bytes::from(made.concat())).unwrap(), made);
        }
        for wrong in [&b"\0\0\0\x08mdat"[..], b"\0\0\0\x07moof", b"\0\0\0\x09moof", b"\0\0\0\x08moo"] {
            assert!(parts(&Bytes::from_static(wrong)).is_err(), "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_others_send_is_read_or_refused(
            changes in proptest::collection::vec((0..3_000_usize, 0..=u8::MAX), 1..12),
        ) {
            let segment = segments().remove(0);
            let made: Vec<_> = segment.parts.iter().map(|part| part.bytes.clone()).collect();
            let mut file = made.concat();
            let length = file.len();
            changes.into_iter().for_each(|(at, byte)| file[at % length] = byte);
            if let Ok(parts) = parts(&Bytes::from(file))
                && let Ok(making) = Making::read(&segment.init, &parts, MediaSequence(0), Duration::from_secs(1))
            {
                let _ = making.sound_only();
                let _ = making.original(segment.duration);
                let size = NonZeroU32::new(90).unwrap();
                let _ = making.request(&[(size, size)]);
                let _ = making.jpegs(size, &[]);
                let _ = making.with_pictures(&Bytes::from_static(VIDEO_CONFIG), &[]);
            }
        }
    }

    #[test]
    fn what_is_no_segment_of_ours_is_refused() {
        let segment = segments().remove(0);
        let parts = segment.parts.iter().map(|part| &part.bytes);
        let init = Bytes::from_static(b"\0\0\0\x08free");
        assert!(Making::read(&init, parts, MediaSequence(0), Duration::from_secs(1)).is_err());
    }

    #[test]
    fn pictures_keep_their_shape_and_even_sides() {
        assert_eq!(scaled((1920, 1080), 480), (854, 480));
        assert_eq!(scaled((1280, 720), 240), (426, 240));
        assert_eq!(scaled((640, 480), 145), (194, 144));
        assert_eq!(scaled((2, 2_000), 64), (2, 64));
    }
}
