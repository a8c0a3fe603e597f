//! `/admin/camera` and `/admin/cameras/{name}`: a camera is added or changed, with what is plugged in beside.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{CameraDevice, CameraOrigin, CameraSettings, CamerasError, StreamName};

use super::cameras::{CAMERAS, failed, gone};
use super::field::Field;
use super::visitor::{Change, Frame, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::{Text, Texts};

/// What is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    name: String,
    source: String,
    audio: String,
    size: String,
    rate: String,
    bitrate: String,
    audio_bitrate: String,
    rotate: String,
    title: String,
    clock: String,
    encoder: String,
}

#[derive(Template)]
#[template(path = "admin/camera.html")]
struct Camera {
    t: Texts,
    page: Page,
    admin: Frame,
    /// The name of the camera that is changed; `None` for a new one.
    changed: Option<StreamName>,
    form: Form,
    /// What is plugged in, or that it is not known.
    devices: Option<Vec<CameraDevice>>,
}

/// The fields, in the order of the page.
#[derive(Debug, Default)]
struct Form {
    name: Field,
    source: Field,
    audio: Field,
    size: Field,
    rate: Field,
    bitrate: Field,
    audio_bitrate: Field,
    rotate: Field,
    title: Field,
    clock: bool,
    encoder: Field,
}

impl Form {
    fn of(camera: &CameraSettings) -> Self {
        Self {
            name: Field::new(camera.name.to_string()),
            source: Field::new(&camera.source),
            audio: Field::new(&camera.audio),
            size: Field::new(&camera.size),
            rate: Field::new(camera.rate.to_string()),
            bitrate: Field::new(camera.bitrate.to_string()),
            audio_bitrate: Field::new(camera.audio_bitrate.to_string()),
            rotate: Field::new(camera.rotate.to_string()),
            title: Field::new(&camera.title),
            clock: camera.clock,
            encoder: Field::new(&camera.encoder),
        }
    }

    fn typed(typed: Typed) -> Self {
        Self {
            name: Field::new(typed.name.trim()),
            source: Field::new(typed.source.trim()),
            audio: Field::new(typed.audio.trim()),
            size: Field::new(typed.size.trim()),
            rate: Field::new(typed.rate.trim()),
            bitrate: Field::new(typed.bitrate.trim()),
            audio_bitrate: Field::new(typed.audio_bitrate.trim()),
            rotate: Field::new(typed.rotate.trim()),
            title: Field::new(typed.title.trim()),
            clock: !typed.clock.is_empty(),
            encoder: Field::new(typed.encoder.trim()),
        }
    }

    /// The camera of these fields; `None` with the fields that are wrong told of.
    fn settings(&mut self, t: Texts) -> Option<CameraSettings> {
        let name = checked(&mut self.name, t.get("owner-key-name-wrong"));
        let rate = checked(&mut self.rate, t.get("owner-camera-wrong-rate"));
        let bitrate = checked(&mut self.bitrate, t.get("owner-camera-wrong-bitrate"));
        let audio_bitrate = checked(&mut self.audio_bitrate, t.get("owner-camera-wrong-bitrate"));
        let rotate = checked(&mut self.rotate, t.get("owner-camera-wrong-rotate"));
        Some(CameraSettings {
            name: name?,
            source: self.source.value.clone(),
            audio: self.audio.value.clone(),
            size: self.size.value.clone(),
            rate: rate?,
            bitrate: bitrate?,
            audio_bitrate: audio_bitrate?,
            rotate: rotate?,
            title: self.title.value.clone(),
            clock: self.clock,
            encoder: self.encoder.value.clone(),
        })
    }

    /// Tells what is wrong with a key of the configuration.
    fn refuse(&mut self, t: Texts, key: &str) {
        let (field, text) = match key {
            "source" => (&mut self.source, t.get("owner-camera-wrong-source")),
            "audio" => (&mut self.audio, t.get("owner-camera-wrong-audio")),
            "size" => (&mut self.size, t.get("owner-camera-wrong-size")),
            "rate" => (&mut self.rate, t.get("owner-camera-wrong-rate")),
            "bitrate" => (&mut self.bitrate, t.get("owner-camera-wrong-bitrate")),
            "audio_bitrate" => (&mut self.audio_bitrate, t.get("owner-camera-wrong-bitrate")),
            "rotate" => (&mut self.rotate, t.get("owner-camera-wrong-rotate")),
            _ => (&mut self.title, t.get("owner-camera-wrong-title")),
        };
        field.error = Some(text.to_string());
    }
}

/// What is typed into a field, where it is what the field is for.
fn checked<T: std::str::FromStr>(field: &mut Field, wrong: Text) -> Option<T> {
    let value = field.value.parse().ok();
    if value.is_none() {
        field.error = Some(wrong.to_string());
    }
    value
}

pub(crate) async fn add(owner: SignedIn) -> Response {
    let form = Form { name: Field::default(), ..Form::of(&CameraSettings::default()) };
    page(owner, StatusCode::OK, None, form).await
}

pub(crate) async fn show(Path(name): Path<String>, owner: SignedIn) -> Response {
    let cameras = owner.ports.cameras.as_ref().map(|cameras| cameras.list()).unwrap_or_default();
    let camera = cameras.into_iter().find(|camera| camera.settings.name.to_string() == name);
    match camera {
        None => gone(&owner),
        Some(camera) if camera.origin == CameraOrigin::Configuration => {
            failed(&owner, &CamerasError::Configured(camera.settings.name))
        }
        Some(camera) => {
            let form = Form::of(&camera.settings);
            page(owner, StatusCode::OK, Some(camera.settings.name), form).await
        }
    }
}

pub(crate) async fn create(Change { owner, fields }: Change<Typed>) -> Response {
    set(owner, None, Form::typed(fields)).await
}

pub(crate) async fn change(Path(name): Path<String>, Change { owner, fields }: Change<Typed>) -> Response {
    let Ok(name) = name.parse::<StreamName>() else { return gone(&owner) };
    let form = Form { name: Field::new(name.to_string()), ..Form::typed(fields) };
    set(owner, Some(name), form).await
}

async fn set(owner: SignedIn, changed: Option<StreamName>, mut form: Form) -> Response {
    let t = owner.t();
    let Some(cameras) = owner.ports.cameras.clone() else { return gone(&owner) };
    let Some(settings) = form.settings(t) else {
        return page(owner, StatusCode::UNPROCESSABLE_ENTITY, changed, form).await;
    };
    let is_there = |name: &StreamName| cameras.list().iter().any(|camera| camera.settings.name == *name);
    if changed.is_none() && is_there(&settings.name) {
        form.name.error = Some(t.get("owner-camera-exists").to_string());
        return page(owner, StatusCode::CONFLICT, None, form).await;
    }
    let name = settings.name.to_string();
    match cameras.set(settings).await {
        Ok(()) => owner.done(CAMERAS, t.get("owner-camera-set").arg("name", name)),
        Err(CamerasError::Invalid { key, .. }) => {
            form.refuse(t, key);
            page(owner, StatusCode::UNPROCESSABLE_ENTITY, changed, form).await
        }
        Err(error) => failed(&owner, &error),
    }
}

async fn page(owner: SignedIn, status: StatusCode, changed: Option<StreamName>, form: Form) -> Response {
    let Some(cameras) = owner.ports.cameras.clone() else { return gone(&owner) };
    let devices = cameras.devices().await;
    let devices = devices.inspect_err(|error| tracing::warn!(%error, "the owner sees no devices")).ok();
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("cameras"));
    owner.answer(status, &Camera { t, page, admin, changed, form, devices })
}
