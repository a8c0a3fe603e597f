//! What an owner writes of a camera, as what its encoder is told. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use stream_model::{CameraSettings, CamerasError};
use streamer::camera::{
    AudioSource, BadSource, Encoding, Job, PublishUrl, VideoDevice, VideoSource, keyframe_interval,
};

/// Most pictures a second.
const MAX_RATE: u32 = 120;

/// Most cameras of a node: more than a machine encodes.
pub(crate) const MAX_CAMERAS: usize = 8;

/// What a camera takes, and how it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) video: Option<VideoSource>,
    pub(crate) audio: Option<AudioSource>,
    pub(crate) encoding: Encoding,
}

impl Wanted {
    /// What its encoder is told, to publish there.
    pub(crate) fn job(self, publish: PublishUrl) -> Job {
        let Self { video, audio, encoding } = self;
        Job { video, audio, encoding, publish }
    }
}

/// Checks the cameras of a configuration.
///
/// # Errors
/// Where one is none, or two have one name; the error names the key.
pub(crate) fn check(cameras: &[CameraSettings]) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for (index, camera) in cameras.iter().enumerate() {
        if index == MAX_CAMERAS {
            anyhow::bail!("configuration key camera: at most {MAX_CAMERAS} cameras");
        }
        if !names.insert(&camera.name) {
            anyhow::bail!("configuration key camera[{index}].name: another camera has the name {}", camera.name);
        }
        wanted(camera, Duration::from_secs(1))
            .map_err(|error| anyhow::anyhow!("configuration key camera[{index}].{error}"))?;
    }
    Ok(())
}

/// Reads the settings of a camera, for segments of a target duration.
///
/// # Errors
/// [`CamerasError::Invalid`] for the first that is wrong.
pub(crate) fn wanted(camera: &CameraSettings, target_duration: Duration) -> Result<Wanted, CamerasError> {
    let video = video(&camera.source).map_err(invalid("source"))?;
    let audio = audio(&camera.audio, video.as_ref()).map_err(invalid("audio"))?;
    if audio.is_none() && matches!(video, None | Some(VideoSource::Still(_))) {
        return Err(invalid("audio")(BadSource::Silent));
    }
    let number = |key, number, most, what: &str| {
        let within = NonZeroU32::new(number).filter(|number| number.get() <= most);
        within.ok_or_else(|| CamerasError::Invalid { key, reason: format!("must be 1 to {most} {what}") })
    };
    let rate = number("rate", camera.rate, MAX_RATE, "pictures a second")?;
    let title = Some(camera.title.trim()).filter(|title| !title.is_empty());
    let encoder = Some(camera.encoder.trim()).filter(|encoder| !encoder.is_empty());
    let encoding = Encoding {
        size: camera.size.trim().parse().map_err(invalid("size"))?,
        rate,
        video_kbps: number("bitrate", camera.bitrate, 100_000, "kbit/s")?,
        audio_kbps: number("audio_bitrate", camera.audio_bitrate, 1_000, "kbit/s")?,
        keyframe_interval: keyframe_interval(target_duration, rate),
        rotation: camera.rotate.try_into().map_err(invalid("rotate"))?,
        title: title.map(str::parse).transpose().map_err(invalid("title"))?,
        clock: camera.clock,
        encoder: encoder.map(str::to_owned),
    };
    Ok(Wanted { video, audio, encoding })
}

fn invalid(key: &'static str) -> impl Fn(BadSource) -> CamerasError {
    move |error| CamerasError::Invalid { key, reason: error.to_string() }
}

/// Where a picture comes from, as a person writes it; `None` for sound alone.
fn video(text: &str) -> Result<Option<VideoSource>, BadSource> {
    let text = text.trim();
    Ok(match text {
        "none" => None,
        "pattern" => Some(VideoSource::Pattern),
        _ if text.contains("://") => Some(VideoSource::url(text)?),
        _ => match text.parse::<VideoDevice>() {
            Ok(device) => Some(VideoSource::Device(device)),
            Err(_) if text.starts_with('/') => Some(VideoSource::Still(text.into())),
            Err(_) => return Err(BadSource::Picture),
        },
    })
}

/// Where the sound comes from; what goes with the picture where nothing is written.
pub(crate) fn audio(text: &str, video: Option<&VideoSource>) -> Result<Option<AudioSource>, BadSource> {
    match (text.trim(), video) {
        ("", Some(VideoSource::Pattern)) => Ok(Some(AudioSource::Tone)),
        ("", Some(VideoSource::Url(_))) => Ok(Some(AudioSource::Url)),
        ("", _) => Ok(Some(AudioSource::Alsa(None))),
        (text, _) => AudioSource::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, audio: &str) -> Result<(Option<VideoSource>, Option<AudioSource>), CamerasError> {
        let camera = CameraSettings { source: source.to_owned(), audio: audio.to_owned(), ..CameraSettings::default() };
        wanted(&camera, Duration::from_secs(15)).map(|wanted| (wanted.video, wanted.audio))
    }

    #[test]
    fn sources_are_read_as_people_write_them() {
        let first = VideoSource::Device(VideoDevice::First);
        assert_eq!(of("first", "").unwrap(), (Some(first), Some(AudioSource::Alsa(None))));
        assert_eq!(of("pattern", "").unwrap(), (Some(VideoSource::Pattern), Some(AudioSource::Tone)));
        let url = Some(VideoSource::Url("rtsp://cam/1".to_owned()));
        assert_eq!(of("rtsp://cam/1", "").unwrap(), (url.clone(), Some(AudioSource::Url)));
        assert_eq!(of(" rtsp://cam/1 ", "none").unwrap(), (url, None));
        let still = Some(VideoSource::Still("/srv/poster.png".into()));
        assert_eq!(of("/srv/poster.png", "tone").unwrap(), (still, Some(AudioSource::Tone)));
        assert_eq!(of("none", "pulse").unwrap(), (None, Some(AudioSource::Pulse(None))));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let wrong = |change: fn(&mut CameraSettings)| {
            let mut camera = CameraSettings::default();
            change(&mut camera);
            match wanted(&camera, Duration::from_secs(15)) {
                Err(CamerasError::Invalid { key, .. }) => key,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wrong(|camera| camera.source = "cam".to_owned()), "source");
        assert_eq!(wrong(|camera| camera.source = "ftp://cam".to_owned()), "source");
        assert_eq!(wrong(|camera| camera.audio = "jack".to_owned()), "audio");
        assert_eq!(wrong(|camera| (camera.source, camera.audio) = ("none".to_owned(), "none".to_owned())), "audio");
        assert_eq!(wrong(|camera| camera.size = "big".to_owned()), "size");
        assert_eq!(wrong(|camera| camera.rate = 0), "rate");
        assert_eq!(wrong(|camera| camera.bitrate = 0), "bitrate");
        assert_eq!(wrong(|camera| camera.rotate = 45), "rotate");
        assert_eq!(wrong(|camera| camera.title = "a\nb".to_owned()), "title");
    }

    #[test]
    fn a_configuration_has_each_name_once() {
        let camera = CameraSettings::default();
        check(std::slice::from_ref(&camera)).unwrap();
        let error = check(&[camera.clone(), camera]).unwrap_err().to_string();
        assert!(error.contains("camera[1].name"), "{error}");
    }
}
