//! Cameras: those that the configuration names, and what is plugged in.

use stream_model::{CameraDevice, CameraSettings};
use streamer::camera::WorkerCommand;

use super::finding::Finding;
use crate::cameras::{WORKER, plugged_in};
use crate::config::Config;

const CHECK: &str = "camera";

pub(super) async fn check(config: &Config) -> Finding {
    if !cfg!(feature = "gstreamer") {
        let how = "publish with ffmpeg or OBS, or take a meshstream that was built with GStreamer";
        return Finding::absent(CHECK, "this meshstream was built without GStreamer", how);
    }
    let worker = match WorkerCommand::this(WORKER) {
        Ok(worker) => worker,
        Err(error) => {
            return Finding::failure(CHECK, format!("this program does not find itself: {error}"), "install it anew");
        }
    };
    match plugged_in(&worker).await {
        Ok(devices) => judge(&devices, &config.camera),
        Err(error) => Finding::warning(CHECK, error.to_string(), "see 'meshstream camera --list'"),
    }
}

fn judge(devices: &[CameraDevice], wanted: &[CameraSettings]) -> Finding {
    let cameras: Vec<_> = devices.iter().filter(|device| device.video).collect();
    // A device that is named as the system names it; the rest of what may be named is not to be seen from here.
    let missing = wanted
        .iter()
        .map(|camera| camera.source.as_str())
        .find(|device| device.starts_with("/dev/") && !cameras.iter().any(|camera| camera.argument == *device));
    if let Some(missing) = missing {
        let mend = "plug it in, or name another in [[camera]]: 'meshstream camera --list' shows what there is";
        return Finding::failure(CHECK, format!("{missing}, which the configuration names, is not found"), mend);
    }
    match cameras.as_slice() {
        [] => Finding::absent(
            CHECK,
            "no camera is found",
            "a node that only passes on needs none; for a Raspberry Pi's own camera install 'gstreamer1.0-libcamera'",
        ),
        cameras => {
            let named = |camera: &&CameraDevice| format!("{} ({})", camera.argument, camera.name);
            Finding::ok(CHECK, cameras.iter().map(named).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_camera_that_is_wanted_and_not_there_is_a_failure_and_none_at_all_is_not() {
        let device = |argument: &str, video| CameraDevice { video, name: "C270".into(), argument: argument.into() };
        let wanted = |device: &str| {
            let settings = toml::from_str::<CameraSettings>(&format!("name = \"hall\"\nsource = \"{device}\""));
            vec![settings.unwrap()]
        };
        assert_eq!(judge(&[device("alsa", false)], &[]).state, State::Absent);
        let there = [device("/dev/video0", true)];
        assert_eq!(judge(&there, &wanted("/dev/video0")).found, "/dev/video0 (C270)");
        assert_eq!(judge(&there, &wanted("/dev/video2")).state, State::Failure);
    }
}
