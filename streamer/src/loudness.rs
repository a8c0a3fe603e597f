//! How loud the sound of segments is, and how long it has been silent. Pure.

use std::time::Duration;

use ebur128::{EbuR128, Mode};
use stream_model::{SILENCE_DBFS, SoundLevel};
use symphonia_codec_aac::AacDecoder;
use symphonia_core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder as _, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;

use crate::segmenter::{AudioParameters, Placed};

/// Silence is told for so many parts of a second.
const BLOCKS_PER_SECOND: u32 = 10;
/// A channel at or above this is heard, mean square: -60 dBFS.
const HEARD: f32 = 1e-6;

/// Why the loudness of sound is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unmeasured {
    #[error("only AAC-LC and HE-AAC in mono and stereo is measured")]
    Unsupported,
    #[error("no frame of the sound can be decoded")]
    Undecodable,
}

/// Measures the sound of one broadcast, segment by segment.
#[derive(Default)]
pub(crate) struct Meter {
    /// Goes on from one segment to the next, since each frame overlaps with the one before.
    decoder: Option<(AudioParameters, AacDecoder)>,
    silent: Duration,
}

impl Meter {
    /// The sound up to the end of a segment of such a length, of which these are the frames. Where there are none it is silent.
    pub(crate) fn measure(
        &mut self,
        parameters: &AudioParameters,
        frames: &[Placed],
        duration: Duration,
    ) -> Result<SoundLevel, Unmeasured> {
        let channels = parameters.channels;
        let mut decoder = match self.decoder.take() {
            Some((of, decoder)) if of == *parameters => decoder,
            _ => decoder(parameters)?,
        };
        let mut tally = Tally::new(channels, parameters.sample_rate)?;
        let (mut decoded, mut pcm) = (frames.is_empty(), Vec::new());
        for frame in frames {
            let packet = PacketRef::new(0, 0.into(), u64::from(parameters.frame_length).into(), &frame.data);
            // What is damaged is as if it had not come.
            let Ok(samples) = decoder.decode_ref(&packet) else { continue };
            samples.copy_to_vec_interleaved::<f32>(&mut pcm);
            tally.add(&pcm);
            decoded = true;
        }
        self.decoder = Some((parameters.clone(), decoder));
        if !decoded {
            return Err(Unmeasured::Undecodable);
        }
        self.silent = tally.silent_at_its_end().unwrap_or(self.silent + duration);
        Ok(tally.level(self.silent))
    }
}

/// Of the core coder alone: what bands are replicated from are as loud as they are.
fn decoder(parameters: &AudioParameters) -> Result<AacDecoder, Unmeasured> {
    let channels = match parameters.channels {
        1 => CHANNEL_LAYOUT_MONO,
        2 => CHANNEL_LAYOUT_STEREO,
        _ => return Err(Unmeasured::Unsupported),
    };
    if !parameters.is_low_complexity() || parameters.frame_length != 1024 {
        return Err(Unmeasured::Unsupported);
    }
    let mut of = AudioCodecParameters::new();
    of.for_codec(CODEC_ID_AAC).with_sample_rate(parameters.sample_rate).with_channels(channels);
    AacDecoder::try_new(&of, &AudioDecoderOptions::default()).map_err(|_| Unmeasured::Unsupported)
}

/// What has been heard of a segment.
struct Tally {
    loudness: EbuR128,
    channels: u16,
    /// Frames of PCM in a block.
    block: u32,
    /// Of the block that is not complete: sums of squares, and frames.
    squares: Vec<f32>,
    frames: u32,
    /// Blocks since the last one in which something is heard; `None` where nothing has been.
    silent_blocks: Option<u32>,
}

impl Tally {
    fn new(channels: u16, sample_rate: u32) -> Result<Self, Unmeasured> {
        let mode = Mode::I | Mode::SAMPLE_PEAK | Mode::HISTOGRAM;
        let loudness = EbuR128::new(channels.into(), sample_rate, mode).map_err(|_| Unmeasured::Unsupported)?;
        let block = (sample_rate / BLOCKS_PER_SECOND).max(1);
        Ok(Self { loudness, channels, block, squares: vec![0.0; channels.into()], frames: 0, silent_blocks: None })
    }

    /// Of samples of the channels in turn.
    fn add(&mut self, pcm: &[f32]) {
        // Fails only where there are parts of frames.
        let _ = self.loudness.add_frames_f32(pcm);
        for frame in pcm.chunks_exact(self.channels.into()) {
            for (sum, sample) in self.squares.iter_mut().zip(frame) {
                *sum += sample * sample;
            }
            self.frames += 1;
            if self.frames == self.block {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        let least = HEARD * self.block as f32;
        if self.squares.iter().any(|sum| *sum >= least) {
            self.silent_blocks = Some(0);
        } else {
            self.silent_blocks = self.silent_blocks.map(|blocks| blocks + 1);
        }
        self.squares.fill(0.0);
        self.frames = 0;
    }

    /// `None` where all of it is silent.
    fn silent_at_its_end(&self) -> Option<Duration> {
        self.silent_blocks.map(|blocks| Duration::from_secs(1) * blocks / BLOCKS_PER_SECOND)
    }

    fn level(&self, silent: Duration) -> SoundLevel {
        let loudness = self.loudness.loudness_global().ok().filter(|loudness| loudness.is_finite());
        let peak = |channel| {
            let peak = self.loudness.sample_peak(channel).unwrap_or(0.0);
            tenths((20.0 * peak.log10()).max(SILENCE_DBFS))
        };
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        SoundLevel::new(loudness.map(tenths), (0..self.channels.into()).map(peak).collect(), silent_ms)
    }
}

/// Rounded to one digit behind the point: more is not heard.
fn tenths(decibels: f64) -> f64 {
    (decibels * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use stream_model::SoundState;

    use super::*;
    use crate::media::TrackKind;

    /// AAC-LC, 48 kHz, stereo.
    const CONFIG: &[u8] = &[0x11, 0x90];
    /// A frame of a tone that goes on with the next one like it. FFmpeg's `ebur128=peak=sample` measures -21.1 LUFS, peaks of -19.5
    /// dBFS.
    const TONE: &str = "2115cc02200772ba17afcfbfafffb5fb7fffefe7f7c492e483e5f2f971e38a5294b4211080f3cf3cf3cf3cf3cf3cf73bcf3cf3cf3cf3c\
        f3cf3cee21f4087c621f4803fff08fffa000038";
    /// The same on the left alone: -24.1 LUFS.
    const LEFT: &str = "2115c3aa5d4977f6f1effff73f6ffffbfcfef84b910030303031ba368986dace6dcdbb890909090909090909ba1212121212542426edd\
        bb76eddbb76ec605c70";
    const NOTHING: &str = "211004608c1c";

    /// About two seconds of frames like this.
    fn frames(hex: &str) -> Vec<Placed> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let data: Bytes = (0..hex.len()).step_by(2).map(byte).collect();
        let frame =
            |number: u64| Placed::new(TrackKind::Audio, true, data.clone(), (number * 1024, 1024, 0), (48_000, 0));
        (0..94).map(frame).collect()
    }

    fn measured(meter: &mut Meter, frames: &[Placed]) -> SoundLevel {
        let parameters = AudioParameters::parse(&Bytes::from_static(CONFIG)).unwrap();
        meter.measure(&parameters, frames, Duration::from_secs(2)).unwrap()
    }

    #[test]
    fn loudness_and_peaks_are_those_that_ffmpeg_measures() {
        let level = SoundLevel::new(Some(-21.1), vec![-19.5, -19.5], 0);
        assert_eq!(measured(&mut Meter::default(), &frames(TONE)), level);
        let level = measured(&mut Meter::default(), &frames(LEFT));
        assert!((level.loudness_lufs.unwrap() + 24.1).abs() < 0.15, "{level:?}");
        assert_eq!((level.peaks_dbfs[1], level.state), (SILENCE_DBFS, SoundState::OneSided));
    }

    #[test]
    fn silence_is_counted_over_segments_from_where_it_began() {
        let meter = &mut Meter::default();
        let [tone, nothing] = [TONE, NOTHING].map(frames);
        assert_eq!(measured(meter, &tone).silent_ms, 0);
        let both = [&tone[..47], &nothing[..47]].concat();
        let level = measured(meter, &both);
        assert!((800..=1_000).contains(&level.silent_ms), "{level:?}");
        let before = level.silent_ms;
        let level = measured(meter, &nothing);
        assert_eq!((level.loudness_lufs, level.silent_ms), (None, before + 2_000));
        assert_eq!(measured(meter, &[]).silent_ms, before + 4_000, "a microphone that is gone");
        assert_eq!(measured(meter, &tone).silent_ms, 0);
    }

    #[test]
    fn what_cannot_be_decoded_is_said_so_and_does_not_end_measuring() {
        let meter = &mut Meter::default();
        let parameters = AudioParameters::parse(&Bytes::from_static(CONFIG)).unwrap();
        let broken = meter.measure(&parameters, &frames(&TONE[..20]), Duration::from_secs(2));
        assert_eq!(broken, Err(Unmeasured::Undecodable));
        assert_eq!(measured(meter, &frames(TONE)).silent_ms, 0);
        // AAC Main, and 5.1.
        for config in [&[0x09, 0x90][..], &[0x11, 0xb0]] {
            let parameters = AudioParameters::parse(&Bytes::from_static(config)).unwrap();
            let unsupported = meter.measure(&parameters, &frames(TONE), Duration::from_secs(2));
            assert_eq!(unsupported, Err(Unmeasured::Unsupported));
        }
    }
}
