//! Codec parameters as publishers send them, checked and understood as far as boxes and playlists need it.

use bytes::Bytes;
use mp4_atom::{Atom as _, Avcc};

use super::bits::Bits;
use super::sps;

/// Real configuration records have some dozens of bytes.
const MAX_CONFIG_BYTES: usize = 8 * 1024;

/// What an AVCDecoderConfigurationRecord says (ISO/IEC 14496-15 §5.3.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoParameters {
    pub(crate) record: Bytes,
    pub(crate) avcc: Avcc,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl VideoParameters {
    pub(crate) fn parse(record: &Bytes) -> Result<Self, &'static str> {
        if record.len() > MAX_CONFIG_BYTES {
            return Err("the decoder configuration record is too long");
        }
        let avcc = Avcc::decode_body(&mut &record[..]).map_err(|_| "malformed decoder configuration record")?;
        if avcc.length_size == 3 {
            return Err("NAL unit lengths of 3 bytes are not allowed");
        }
        if avcc.picture_parameter_sets.is_empty() {
            return Err("no picture parameter set");
        }
        let sps = avcc.sequence_parameter_sets.first().ok_or("no sequence parameter set")?;
        let (width, height) = sps::resolution(sps).ok_or("malformed sequence parameter set")?;
        let size = |side: u32| u16::try_from(side).map_err(|_| "the picture is too large");
        Ok(Self { record: record.clone(), width: size(width)?, height: size(height)?, avcc })
    }

    /// Whether the profile allows for more than 8 bits or 4:2:0 (ITU-T H.264 §A.2): what phones do not decode.
    pub(crate) fn beyond_high_profile(&self) -> bool {
        matches!(self.avcc.avc_profile_indication, 44 | 110 | 122 | 244)
    }

    /// `avc1.PPCCLL` (RFC 6381 §3.3).
    pub(crate) fn codec(&self) -> String {
        let avcc = &self.avcc;
        format!(
            "avc1.{:02x}{:02x}{:02x}",
            avcc.avc_profile_indication, avcc.profile_compatibility, avcc.avc_level_indication
        )
    }
}

/// What an AudioSpecificConfig says (ISO/IEC 14496-3 §1.6.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AudioParameters {
    pub(crate) record: Bytes,
    /// The audio object type that a player needs: 5 or 29 where spectral band replication is signalled.
    object_type: u32,
    /// Of the core coder, so that a frame is a whole number of ticks whether or not band replication doubles it.
    pub(crate) sample_rate: u32,
    /// 0 where a program config element says it.
    pub(crate) channels: u16,
    /// PCM samples of the core coder in one frame.
    pub(crate) frame_length: u32,
}

impl AudioParameters {
    pub(crate) fn parse(record: &Bytes) -> Result<Self, &'static str> {
        if record.len() > MAX_CONFIG_BYTES {
            return Err("the AudioSpecificConfig is too long");
        }
        let bits = &mut Bits::new(record);
        let mut object_type = audio_object_type(bits).ok_or(TRUNCATED)?;
        let sample_rate = sampling_frequency(bits)?;
        let channels = match bits.read(4).ok_or(TRUNCATED)? {
            // A program config element follows in the frames or here; players read it, and 2 is the usual label.
            0 => 2,
            channels @ 1..=6 => channels as u16,
            7 | 12 | 14 => 8,
            11 => 7,
            _ => return Err("reserved AAC channel configuration"),
        };
        let mut signalled = object_type;
        if matches!(object_type, 5 | 29) {
            sampling_frequency(bits)?;
            object_type = audio_object_type(bits).ok_or(TRUNCATED)?;
        }
        if !matches!(object_type, 1..=4) {
            return Err("not AAC-LC, AAC Main or HE-AAC: set the encoder to AAC-LC");
        }
        let frame_length = if bits.flag().ok_or(TRUNCATED)? { 960 } else { 1024 };
        if signalled == object_type {
            signalled = backward_compatible_extension(bits).unwrap_or(object_type);
        }
        Ok(Self { record: record.clone(), object_type: signalled, sample_rate, channels, frame_length })
    }

    /// Whether the core coder is AAC-LC, where nobody builds HE-AAC on another one.
    pub(crate) fn is_low_complexity(&self) -> bool {
        matches!(self.object_type, 2 | 5 | 29)
    }

    /// `mp4a.40.N` (RFC 6381 §3.3).
    pub(crate) fn codec(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}

const TRUNCATED: &str = "the AudioSpecificConfig is cut short";

fn audio_object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        object_type => Some(object_type),
    }
}

/// Hertz (ISO/IEC 14496-3 table 1.18).
fn sampling_frequency(bits: &mut Bits<'_>) -> Result<u32, &'static str> {
    const RATES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
    let rate = match bits.read(4).ok_or(TRUNCATED)? {
        15 => bits.read(24).ok_or(TRUNCATED)?,
        index => *RATES.get(index as usize).ok_or("reserved AAC sampling frequency")?,
    };
    if (4_000..=192_000).contains(&rate) { Ok(rate) } else { Err("AAC sampling frequency out of range") }
}

/// Spectral band replication and parametric stereo signalled behind the core's config, where older decoders do not
/// look (ISO/IEC 14496-3 §1.6.5.3). The rest of a GASpecificConfig without core coder and extensions is two bits.
fn backward_compatible_extension(bits: &mut Bits<'_>) -> Option<u32> {
    if bits.read(2)? != 0 || bits.read(11)? != 0x2b7 || audio_object_type(bits)? != 5 || !bits.flag()? {
        return None;
    }
    sampling_frequency(bits).ok()?;
    let parametric_stereo = bits.read(11) == Some(0x548) && bits.flag() == Some(true);
    Some(if parametric_stereo { 29 } else { 5 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn audio(record: &[u8]) -> Result<(String, u32, u16, u32), &'static str> {
        let parameters = AudioParameters::parse(&Bytes::copy_from_slice(record))?;
        Ok((parameters.codec(), parameters.sample_rate, parameters.channels, parameters.frame_length))
    }

    #[test]
    fn aac_lc_is_read() {
        assert_eq!(audio(&[0x12, 0x10]), Ok(("mp4a.40.2".into(), 44_100, 2, 1024)));
        assert_eq!(audio(&[0x11, 0x88]), Ok(("mp4a.40.2".into(), 48_000, 1, 1024)));
        // As ffmpeg's encoder writes it: the extension says that there is no band replication.
        assert_eq!(audio(&[0x12, 0x10, 0x56, 0xe5, 0x00]), Ok(("mp4a.40.2".into(), 44_100, 2, 1024)));
    }

    #[test]
    fn he_aac_is_read_in_either_signalling() {
        // Hierarchical: object type 5, core 22.05 kHz, stereo, 44.1 kHz, core AAC-LC.
        assert_eq!(audio(&[0x2b, 0x92, 0x08, 0x00]), Ok(("mp4a.40.5".into(), 22_050, 2, 1024)));
        // Backward compatible: AAC-LC 22.05 kHz, then 0x2b7, 5, present, 44.1 kHz.
        assert_eq!(audio(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), Ok(("mp4a.40.5".into(), 22_050, 2, 1024)));
    }

    #[test]
    fn what_is_not_aac_lc_is_refused_with_a_reason() {
        assert_eq!(audio(&[]), Err(TRUNCATED));
        assert_eq!(audio(&[0xf9, 0x48, 0x40]), Err("not AAC-LC, AAC Main or HE-AAC: set the encoder to AAC-LC"));
        assert_eq!(audio(&[0x17, 0x80, 0, 0, 0]), Err("AAC sampling frequency out of range"));
    }

    #[test]
    fn a_video_configuration_gives_its_codec_string_and_size() {
        let sps = [
            103, 100, 0, 31, 172, 217, 128, 80, 5, 187, 1, 106, 2, 2, 2, 128, 0, 0, 3, 0, 128, 0, 0, 30, 7, 140, 24,
            205,
        ];
        let mut record = vec![1, 100, 0, 31, 0xff, 0xe1, 0, sps.len() as u8];
        record.extend_from_slice(&sps);
        record.extend_from_slice(&[1, 0, 5, 104, 233, 123, 44, 139]);
        let video = VideoParameters::parse(&Bytes::from(record)).unwrap();
        assert_eq!((video.codec().as_str(), video.width, video.height), ("avc1.64001f", 1280, 720));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(record in proptest::collection::vec(any::<u8>(), 0..300)) {
            let record = Bytes::from(record);
            let _ = (VideoParameters::parse(&record), AudioParameters::parse(&record));
        }
    }
}
