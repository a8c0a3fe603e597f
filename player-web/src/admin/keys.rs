//! `/admin/keys`: stream keys, which let publishers in.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{KeyError, StreamKeyEntry, StreamName};

use super::field::Field;
use super::sessions::Flash;
use super::visitor::{Change, Frame, NoFields, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::host::THIS_NODE;
use crate::page::Page;
use crate::texts::Texts;

/// Where keys are.
const KEYS: &str = "/admin/keys";

/// RTMP's port, where the node does not say its own.
const RTMP_PORT: &str = "1935";

/// A key that is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Adding {
    name: String,
    archive: String,
}

/// Whether a stream's broadcasts are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Archiving {
    archive: String,
}

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct Keys {
    t: Texts,
    page: Page,
    admin: Frame,
    made: Option<Made>,
    keys: Vec<StreamKeyEntry>,
    name: Field,
    failure: Option<String>,
}

/// A key that was just made, as encoders take it.
struct Made {
    name: String,
    key: String,
    server: String,
}

impl Made {
    /// What OBS calls the stream key.
    fn stream_key(&self) -> String {
        format!("{}?key={}", self.name, self.key)
    }

    /// The whole address.
    fn url(&self) -> String {
        format!("{}/{}", self.server, self.stream_key())
    }
}

#[derive(Template)]
#[template(path = "admin/key_revoke.html")]
struct Revoke {
    t: Texts,
    page: Page,
    admin: Frame,
    name: StreamName,
    /// Somebody publishes with it now.
    publishing: bool,
    failure: Option<String>,
}

pub(crate) async fn show(owner: SignedIn) -> Response {
    page(owner, StatusCode::OK, Field::default()).await
}

pub(crate) async fn add(Change { owner, fields }: Change<Adding>) -> Response {
    let t = owner.t();
    let text = fields.name.trim();
    let Ok(name) = text.parse::<StreamName>() else {
        let error = Field::wrong(text, t.get("owner-key-name-wrong"));
        return page(owner, StatusCode::UNPROCESSABLE_ENTITY, error).await;
    };
    let keys = &owner.ports.keys;
    let made = async {
        let made = keys.add(name.clone()).await?;
        if let Some(archive) = archive_of(&fields.archive) {
            keys.set_archive(name.clone(), Some(archive)).await?;
        }
        Ok(made)
    };
    match made.await {
        Ok(made) => {
            let text = t.get("owner-key-made").arg("name", name.to_string()).to_string();
            owner.tell(KEYS, Flash { text, key: Some((name.to_string(), made.key)) })
        }
        Err(KeyError::Exists(_)) => {
            page(owner, StatusCode::CONFLICT, Field::wrong(text, t.get("owner-key-exists"))).await
        }
        Err(error) => {
            let error = Field::wrong(text, owner.failure(&error));
            page(owner, StatusCode::INTERNAL_SERVER_ERROR, error).await
        }
    }
}

/// What a choice says; `None`: as the node does it.
fn archive_of(choice: &str) -> Option<bool> {
    match choice {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

pub(crate) async fn archive(Path(name): Path<String>, Change { owner, fields }: Change<Archiving>) -> Response {
    let t = owner.t();
    let Ok(name) = name.parse::<StreamName>() else { return owner.done(KEYS, t.get("owner-key-gone")) };
    match owner.ports.keys.set_archive(name.clone(), archive_of(&fields.archive)).await {
        Ok(()) => owner.done(KEYS, t.get("owner-key-archive-set").arg("name", name.to_string())),
        Err(KeyError::NotFound(_)) => owner.done(KEYS, t.get("owner-key-gone")),
        Err(error) => {
            let failure = owner.failure(&error);
            owner.tell(KEYS, Flash { text: failure, key: None })
        }
    }
}

pub(crate) async fn confirm_revoke(Path(name): Path<String>, owner: SignedIn) -> Response {
    let t = owner.t();
    match name.parse() {
        Ok(name) => confirm(owner, StatusCode::OK, name, None).await,
        Err(_) => owner.done(KEYS, t.get("owner-key-gone")),
    }
}

pub(crate) async fn revoke(Path(name): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let t = owner.t();
    let Ok(name) = name.parse::<StreamName>() else { return owner.done(KEYS, t.get("owner-key-gone")) };
    match owner.ports.keys.revoke(name.clone()).await {
        Ok(()) => owner.done(KEYS, t.get("owner-key-revoked").arg("name", name.to_string())),
        Err(KeyError::NotFound(_)) => owner.done(KEYS, t.get("owner-key-gone")),
        Err(error) => {
            let failure = owner.failure(&error);
            confirm(owner, StatusCode::INTERNAL_SERVER_ERROR, name, Some(failure)).await
        }
    }
}

async fn confirm(owner: SignedIn, status: StatusCode, name: StreamName, failure: Option<String>) -> Response {
    let publishing = owner.state.ports.status.report().await.publishing.iter().any(|one| one.name == name);
    let admin = owner.frame("keys");
    owner.answer(status, &Revoke { t: owner.t(), page: owner.page.clone(), admin, name, publishing, failure })
}

async fn page(owner: SignedIn, status: StatusCode, name: Field) -> Response {
    let (keys, failure) = match owner.ports.keys.list().await {
        Ok(keys) => (keys, None),
        Err(error) => (Vec::new(), Some(owner.failure(&error))),
    };
    let mut admin = owner.frame("keys");
    let made = match admin.flash.as_mut().and_then(|flash| flash.key.take()) {
        Some((name, key)) => {
            let server = rtmp_server(&owner).await;
            Some(Made { name, key: key.expose().to_owned(), server })
        }
        None => None,
    };
    owner.answer(status, &Keys { t: owner.t(), page: owner.page.clone(), admin, made, keys, name, failure })
}

/// Where encoders publish, at the name or address by which the owner's browser reaches this node.
pub(crate) async fn rtmp_server(owner: &SignedIn) -> String {
    let listen = owner.state.ports.status.report().await.listen.rtmp;
    let port = listen.first().and_then(|address| address.rsplit_once(':')).map_or(RTMP_PORT, |(_, port)| port);
    let name = owner.page.host_name().unwrap_or_else(|| THIS_NODE.to_owned());
    format!("rtmp://{name}:{port}/live")
}
