//! Cameras: this program as an encoder, for a Pi with a camera and for whatever else gives picture or sound.
//!
//! Comes in: a [`Job`], which says what to encode and where to publish it. Goes out: RTMP to a node, as from any other
//! encoder. GStreamer runs in a process of its own ([`work`]), for a plugin that crashes or hangs takes its process along:
//! a [`Supervisor`] in the parent starts it, hears from it, and starts it again. Nothing here knows of broadcasts.

mod capture;
mod command;
#[cfg(feature = "gstreamer")]
mod counts;
#[cfg(feature = "gstreamer")]
mod devices;
#[cfg(feature = "gstreamer")]
mod diagnosis;
#[cfg(feature = "gstreamer")]
pub(crate) mod element;
mod job;
#[cfg(feature = "gstreamer")]
mod keyframes;
#[cfg(feature = "gstreamer")]
pub(crate) mod pipeline;
#[cfg(feature = "gstreamer")]
pub(crate) mod plan;
mod report;
mod stamp;
mod supervisor;
#[cfg(feature = "gstreamer")]
mod worker;

pub use capture::{CaptureFormat, CaptureKind};
pub use command::WorkerCommand;
#[cfg(feature = "gstreamer")]
pub use devices::{Device, DeviceError, DeviceKind, devices};
pub use job::{
    AudioSource, BadSource, Encoding, Job, PublishUrl, Rotation, Size, Title, VideoDevice, VideoSource,
    keyframe_interval,
};
pub use report::{Report, Trouble};
pub use stamp::read_stamp;
pub use supervisor::{Event, Supervisor};
#[cfg(feature = "gstreamer")]
pub use worker::work;
