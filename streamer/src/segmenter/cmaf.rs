//! The boxes: initialization sections and fragments (ISO/IEC 14496-12; CMAF, ISO/IEC 23000-19).

use bytes::{Bytes, BytesMut};
use mp4_atom::{
    Audio, Avc1, Codec, Dinf, Dref, Encode as _, Error, FixedPoint, FourCC, Ftyp, Hdlr, Header, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, Url,
    Visual, Vmhd, esds,
};

use super::codec::{AudioParameters, VideoParameters};
use super::output::InitSection;
use super::timeline::Placed;

/// Ticks a second of video: the customary one, in which RTMP's milliseconds are whole numbers.
pub(super) const VIDEO_TIMESCALE: u32 = 90_000;

pub(super) const VIDEO_TRACK: u32 = 1;
pub(super) const AUDIO_TRACK: u32 = 2;
/// `sample_depends_on` 2: on no others (ISO/IEC 14496-12 §8.8.3.1).
pub(super) const SYNC_SAMPLE: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample`.
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// `ftyp` and `moov` for these tracks.
pub(super) fn init_section(
    video: Option<&VideoParameters>,
    audio: Option<&AudioParameters>,
) -> Result<InitSection, Error> {
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: vec![b"iso6".into(), b"cmfc".into(), b"mp41".into()],
    };
    let trak = [video.map(video_track), audio.map(audio_track)];
    let trex = |(track_id, default_sample_flags)| Trex {
        track_id,
        default_sample_description_index: 1,
        default_sample_flags,
        ..Trex::default()
    };
    let tracks = [video.map(|_| (VIDEO_TRACK, NON_SYNC_SAMPLE)), audio.map(|_| (AUDIO_TRACK, SYNC_SAMPLE))];
    let moov = Moov {
        mvhd: Mvhd {
            timescale: 1000,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: AUDIO_TRACK + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex { mehd: None, trex: tracks.into_iter().flatten().map(trex).collect() }),
        trak: trak.into_iter().flatten().collect(),
        ..Moov::default()
    };
    let mut bytes = BytesMut::new();
    ftyp.encode(&mut bytes)?;
    moov.encode(&mut bytes)?;
    Ok(InitSection {
        bytes: bytes.freeze(),
        codecs: video.map(VideoParameters::codec).into_iter().chain(audio.map(AudioParameters::codec)).collect(),
        resolution: video.map(|video| (video.width.into(), video.height.into())),
    })
}

fn video_track(video: &VideoParameters) -> Trak {
    let avc1 = Avc1 {
        visual: Visual { data_reference_index: 1, width: video.width, height: video.height, ..Visual::default() },
        avcc: video.avcc.clone(),
        ..Avc1::default()
    };
    let minf = Minf { vmhd: Some(Vmhd::default()), ..minf(avc1.into()) };
    let tkhd = Tkhd { width: video.width.into(), height: video.height.into(), ..tkhd(VIDEO_TRACK) };
    trak(tkhd, VIDEO_TIMESCALE, b"vide", "video", minf)
}

fn audio_track(audio: &AudioParameters) -> Trak {
    let mp4a = Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: audio.channels,
            sample_size: 16,
            // The field has 16 bits; higher rates are said by the AudioSpecificConfig alone.
            sample_rate: FixedPoint::from(u16::try_from(audio.sample_rate).unwrap_or(0)),
        },
        esds: esds::Esds {
            es_desc: esds::EsDescriptor {
                es_id: AUDIO_TRACK as u16,
                dec_config: esds::DecoderConfig {
                    object_type_indication: 0x40, // audio of ISO/IEC 14496-3
                    stream_type: 5,               // audio
                    dec_specific: Some(esds::DecoderSpecific {
                        raw: audio.record.to_vec(),
                        ..esds::DecoderSpecific::default()
                    }),
                    ..esds::DecoderConfig::default()
                },
                ..esds::EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    };
    let minf = Minf { smhd: Some(Smhd::default()), ..minf(mp4a.into()) };
    trak(Tkhd { volume: 1.into(), ..tkhd(AUDIO_TRACK) }, audio.sample_rate, b"soun", "audio", minf)
}

fn tkhd(track_id: u32) -> Tkhd {
    Tkhd { track_id, enabled: true, in_movie: true, ..Tkhd::default() }
}

fn minf(codec: Codec) -> Minf {
    Minf {
        dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
        stbl: Stbl { stsd: Stsd { codecs: vec![codec] }, stco: Some(Stco::default()), ..Stbl::default() },
        ..Minf::default()
    }
}

fn trak(tkhd: Tkhd, timescale: u32, handler: &[u8; 4], name: &str, minf: Minf) -> Trak {
    Trak {
        tkhd,
        mdia: Mdia {
            mdhd: Mdhd { timescale, language: "und".into(), ..Mdhd::default() },
            hdlr: Hdlr { handler: handler.into(), name: name.into() },
            minf,
        },
        ..Trak::default()
    }
}

/// `moof` and `mdat` with the samples of both tracks, each in its decode order.
pub(super) fn fragment(sequence_number: u32, video: &[Placed], audio: &[Placed]) -> Result<Bytes, Error> {
    let mut moof = Moof { mfhd: Mfhd { sequence_number }, traf: Vec::with_capacity(2) };
    let runs = [(VIDEO_TRACK, video), (AUDIO_TRACK, audio)];
    let runs = || runs.iter().filter(|(_, samples)| !samples.is_empty());
    moof.traf.extend(runs().map(|(track, samples)| traf(*track, samples)));
    let mut bytes = BytesMut::new();
    // Data offsets count from the start of `moof`, whose length does not depend on them: write it to know it.
    moof.encode(&mut bytes)?;
    let moof_len = bytes.len();
    let media_len: usize = runs().flat_map(|(_, samples)| samples.iter()).map(|sample| sample.data.len()).sum();
    let mut offset = moof_len + 8;
    for (traf, (_, samples)) in moof.traf.iter_mut().zip(runs()) {
        traf.trun[0].data_offset = Some(i32::try_from(offset).map_err(|_| Error::InvalidSize)?);
        offset += samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    }
    bytes.clear();
    bytes.reserve(moof_len + 8 + media_len);
    moof.encode(&mut bytes)?;
    Header { kind: FourCC::new(b"mdat"), size: Some(media_len) }.encode(&mut bytes)?;
    for sample in runs().flat_map(|(_, samples)| samples.iter()) {
        bytes.extend_from_slice(&sample.data);
    }
    Ok(bytes.freeze())
}

fn traf(track_id: u32, samples: &[Placed]) -> Traf {
    let first = &samples[0];
    let duration = samples.iter().all(|sample| sample.duration == first.duration).then_some(first.duration);
    let offsets = samples.iter().any(|sample| sample.composition_offset != 0);
    let video = track_id == VIDEO_TRACK;
    // The usual case, a keyframe at most at the beginning, costs one field a run instead of one a sample.
    let keyframe_inside = samples.iter().skip(1).any(|sample| sample.keyframe);
    let entries = samples.iter().enumerate().map(|(index, sample)| TrunEntry {
        duration: duration.is_none().then_some(sample.duration),
        size: Some(u32::try_from(sample.data.len()).unwrap_or(u32::MAX)),
        flags: (video && (keyframe_inside || index == 0 && sample.keyframe)).then_some(if sample.keyframe {
            SYNC_SAMPLE
        } else {
            NON_SYNC_SAMPLE
        }),
        cts: offsets.then_some(sample.composition_offset.into()),
    });
    Traf {
        tfhd: Tfhd {
            track_id,
            default_sample_duration: duration,
            default_sample_flags: Some(if video { NON_SYNC_SAMPLE } else { SYNC_SAMPLE }),
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt { base_media_decode_time: first.decode_time }),
        trun: vec![Trun { data_offset: Some(0), samples: entries.collect::<Vec<_>>().into() }],
        ..Traf::default()
    }
}
