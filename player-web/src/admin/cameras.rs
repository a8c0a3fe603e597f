//! `/admin/cameras`: the cameras that the node keeps going, how they are, and what they show.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{CameraOrigin, CameraReport, CameraState, CameraTrouble, CamerasError, StreamName};

use super::sessions::Flash;
use super::visitor::{Change, Frame, NoFields, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::{Text, Texts};

/// Where cameras are.
pub(crate) const CAMERAS: &str = "/admin/cameras";

/// Whether a camera is to run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Switching {
    to: String,
}

#[derive(Template)]
#[template(path = "admin/cameras.html")]
struct List {
    t: Texts,
    page: Page,
    admin: Frame,
    /// `None` where the program has none.
    cameras: Option<Vec<Row>>,
}

/// A camera as the page shows it.
struct Row {
    camera: CameraReport,
    /// The broadcast that it publishes now.
    slug: Option<String>,
}

impl Row {
    fn on(&self) -> bool {
        self.camera.state != CameraState::Off
    }

    fn configured(&self) -> bool {
        self.camera.origin == CameraOrigin::Configuration
    }

    fn state(&self, t: Texts) -> Text {
        match &self.camera.state {
            CameraState::Off => t.get("owner-camera-off"),
            CameraState::Starting => t.get("owner-camera-starting"),
            CameraState::Publishing { encoder: Some(encoder), .. } => {
                t.get("owner-camera-publishing-with").arg("encoder", encoder.as_str())
            }
            CameraState::Publishing { encoder: None, .. } => t.get("owner-camera-publishing"),
            CameraState::Waiting { wait, .. } => t.get("owner-camera-waiting").arg("seconds", wait.as_secs()),
            CameraState::Failed(_) => t.get("owner-camera-failed"),
            CameraState::Ended => t.get("owner-camera-ended"),
        }
    }

    /// What is wrong, and what to do.
    fn trouble(&self, t: Texts) -> Option<Text> {
        match &self.camera.state {
            CameraState::Waiting { trouble, .. } | CameraState::Failed(trouble) => Some(trouble_text(t, trouble)),
            CameraState::Publishing { dropped: 1.., .. } => Some(t.get("owner-camera-drops")),
            _ => None,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/camera_remove.html")]
struct Remove {
    t: Texts,
    page: Page,
    admin: Frame,
    name: StreamName,
}

/// In the owner's language; what GStreamer says is in its own.
fn trouble_text(t: Texts, trouble: &CameraTrouble) -> Text {
    match trouble {
        CameraTrouble::Package { element, package } => {
            let text = t.get("owner-camera-trouble-package");
            text.arg("element", element.as_str()).arg("package", package.as_str())
        }
        CameraTrouble::Encoder { encoder } => t.get("owner-camera-trouble-encoder").arg("encoder", encoder.as_str()),
        CameraTrouble::NoCamera => t.get("owner-camera-trouble-none"),
        CameraTrouble::Gone { device } => t.get("owner-camera-trouble-gone").arg("device", device.as_str()),
        CameraTrouble::Permission { device } => t.get("owner-camera-trouble-permission").arg("device", device.as_str()),
        CameraTrouble::Busy { device } => t.get("owner-camera-trouble-busy").arg("device", device.as_str()),
        CameraTrouble::Format { origin, reason } => {
            t.get("owner-camera-trouble-format").arg("device", origin.as_str()).arg("reason", reason.as_str())
        }
        CameraTrouble::Source { address, reason } => {
            t.get("owner-camera-trouble-source").arg("address", address.as_str()).arg("reason", reason.as_str())
        }
        CameraTrouble::Over { address } => t.get("owner-camera-trouble-over").arg("address", address.as_str()),
        CameraTrouble::Refused { reason } => t.get("owner-camera-trouble-refused").arg("reason", reason.as_str()),
        CameraTrouble::Stalled { seconds } => t.get("owner-camera-trouble-stalled").arg("seconds", *seconds),
        CameraTrouble::Crashed { status } => t.get("owner-camera-trouble-crashed").arg("status", status.as_str()),
        CameraTrouble::Key { name } => t.get("owner-camera-trouble-key").arg("name", name.as_str()),
        CameraTrouble::Job { reason } => t.get("owner-camera-trouble-other").arg("reason", reason.as_str()),
        CameraTrouble::Other { element, reason } => {
            t.get("owner-camera-trouble-other").arg("reason", format!("{element}: {reason}"))
        }
    }
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    let report = owner.state.ports.status.report().await;
    let slug = |name: &StreamName| {
        let publishing = report.publishing.iter().find(|publishing| publishing.name == *name)?;
        publishing.broadcast.map(|broadcast| broadcast.slug())
    };
    let row = |camera: CameraReport| Row { slug: slug(&camera.settings.name), camera };
    let cameras = owner.ports.cameras.as_ref().map(|cameras| cameras.list().into_iter().map(row).collect());
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("cameras"));
    owner.answer(StatusCode::OK, &List { t, page, admin, cameras })
}

pub(crate) async fn switch(Path(name): Path<String>, Change { owner, fields }: Change<Switching>) -> Response {
    let Some((cameras, name)) = owner.ports.cameras.clone().zip(name.parse::<StreamName>().ok()) else {
        return gone(&owner);
    };
    let on = fields.to == "on";
    match cameras.switch(&name, on).await {
        Ok(()) => {
            let t = owner.t();
            let text = if on { t.get("owner-camera-started") } else { t.get("owner-camera-stopped") };
            owner.done(CAMERAS, text.arg("name", name.to_string()))
        }
        Err(error) => failed(&owner, &error),
    }
}

pub(crate) async fn confirm_remove(Path(name): Path<String>, owner: SignedIn) -> Response {
    let Ok(name) = name.parse::<StreamName>() else { return gone(&owner) };
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("cameras"));
    owner.answer(StatusCode::OK, &Remove { t, page, admin, name })
}

pub(crate) async fn remove(Path(name): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let Some((cameras, name)) = owner.ports.cameras.clone().zip(name.parse::<StreamName>().ok()) else {
        return gone(&owner);
    };
    match cameras.remove(&name).await {
        Ok(()) => owner.done(CAMERAS, owner.t().get("owner-camera-removed").arg("name", name.to_string())),
        Err(error) => failed(&owner, &error),
    }
}

pub(super) fn gone(owner: &SignedIn) -> Response {
    owner.done(CAMERAS, owner.t().get("owner-camera-gone"))
}

/// Shows the cameras, and why nothing was done.
pub(super) fn failed(owner: &SignedIn, error: &CamerasError) -> Response {
    let t = owner.t();
    let text = match error {
        CamerasError::Unknown(_) => t.get("owner-camera-gone").to_string(),
        CamerasError::Configured(name) => {
            t.get("owner-camera-configured-only").arg("name", name.to_string()).to_string()
        }
        CamerasError::TooMany(most) => t.get("owner-camera-too-many").arg("most", *most).to_string(),
        error => owner.failure(error),
    };
    owner.tell(CAMERAS, Flash { text, key: None })
}
