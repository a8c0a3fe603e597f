//! What is plugged in to this machine.

use std::process::Stdio;
use std::time::Duration;

use stream_model::{CameraDevice, CamerasError};
use streamer::camera::WorkerCommand;
use tokio::io::AsyncReadExt as _;

/// What has an encoder's process only look what is plugged in.
const LIST_DEVICES: &str = "--devices";

/// How long looking may take: each camera is asked what it offers.
const LOOK: Duration = Duration::from_secs(15);

/// Most bytes of a list of devices.
const MAX_LIST: u64 = 256 * 1024;

/// The cameras and microphones of this machine.
///
/// # Errors
/// [`CamerasError::Devices`] where it cannot be looked.
pub(crate) async fn plugged_in(worker: &WorkerCommand) -> Result<Vec<CameraDevice>, CamerasError> {
    // In a process of its own: looking loads every plugin, and drivers may hang.
    let failed = |error: &dyn std::fmt::Display| CamerasError::Devices(error.to_string());
    let mut command = worker.command();
    let child = command.arg(LIST_DEVICES).stdin(Stdio::null()).spawn();
    let mut child = child.map_err(|error| failed(&error))?;
    let mut list = Vec::new();
    let look = async {
        if let Some(output) = child.stdout.take() {
            output.take(MAX_LIST).read_to_end(&mut list).await?;
        }
        child.wait().await
    };
    let looked = tokio::time::timeout(LOOK, look).await;
    let status = looked.map_err(|_| failed(&"a device does not answer"))?.map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&"install 'gstreamer1.0-plugins-good'"));
    }
    serde_json::from_slice(&list).map_err(|error| failed(&error))
}
