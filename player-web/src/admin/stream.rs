//! `/admin/streams/{name}`: what the next broadcast of a stream name is announced with, and how it begins.

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::{ProgrammeError, ScheduleId, Scheduled, StreamDetails, StreamName};

use super::broadcast::programme_text;
use super::field::{Field, lines};
use super::keys::rtmp_server;
use super::sessions::Flash;
use super::visitor::{Change, Frame, NoFields, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Where streams are listed.
const BROADCASTS: &str = "/admin/broadcasts";

/// What is typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Detailing {
    title: String,
    description: String,
    schedule: String,
}

#[derive(Template)]
#[template(path = "admin/stream.html")]
struct Stream {
    t: Texts,
    page: Page,
    admin: Frame,
    name: StreamName,
    server: String,
    refused: bool,
    title: Field,
    description: Field,
    schedule: Option<ScheduleId>,
    planned: Vec<Scheduled>,
    failure: Option<String>,
}

pub(crate) async fn show(Path(name): Path<String>, owner: SignedIn) -> Response {
    let Ok(name) = name.parse::<StreamName>() else { return gone(&owner) };
    match owner.ports.programme.details(name.clone()).await {
        Ok(StreamDetails { title, description, schedule }) => {
            page(owner, StatusCode::OK, name, Field::new(title), Field::new(description), schedule, None).await
        }
        Err(ProgrammeError::NoKey(_)) => gone(&owner),
        Err(error) => {
            let (status, text) = programme_text(&owner, &error);
            page(owner, status, name, Field::default(), Field::default(), None, Some(text)).await
        }
    }
}

pub(crate) async fn set(Path(name): Path<String>, Change { owner, fields }: Change<Detailing>) -> Response {
    let Ok(name) = name.parse::<StreamName>() else { return gone(&owner) };
    let details = StreamDetails {
        title: fields.title.trim().to_owned(),
        description: lines(&fields.description),
        schedule: fields.schedule.parse().ok(),
    };
    let error = match owner.ports.programme.set_details(name.clone(), details.clone()).await {
        Ok(()) => {
            let done = owner.t().get("owner-stream-set").arg("name", name.to_string());
            return owner.done(BROADCASTS, done);
        }
        Err(ProgrammeError::NoKey(_)) => return gone(&owner),
        Err(error) => error,
    };
    let (status, text) = programme_text(&owner, &error);
    let StreamDetails { title, description, schedule } = details;
    let (mut title, mut description, mut failure) = (Field::new(title), Field::new(description), None);
    match error {
        ProgrammeError::NoTitle | ProgrammeError::TooLong("title") => title.error = Some(text),
        ProgrammeError::TooLong(_) => description.error = Some(text),
        _ => failure = Some(text),
    }
    page(owner, status, name, title, description, schedule, failure).await
}

/// Lets a publisher in again whose broadcast the owner ended.
pub(crate) async fn admit(Path(name): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let Ok(name) = name.parse::<StreamName>() else { return gone(&owner) };
    match owner.ports.programme.admit(name.clone()).await {
        Ok(()) => owner.done(BROADCASTS, owner.t().get("owner-stream-admitted").arg("name", name.to_string())),
        Err(error) => {
            let (_, text) = programme_text(&owner, &error);
            owner.tell(BROADCASTS, Flash { text, key: None })
        }
    }
}

fn gone(owner: &SignedIn) -> Response {
    owner.done(BROADCASTS, owner.t().get("owner-key-gone"))
}

async fn page(
    owner: SignedIn,
    status: StatusCode,
    name: StreamName,
    title: Field,
    description: Field,
    schedule: Option<ScheduleId>,
    failure: Option<String>,
) -> Response {
    let planned = owner.state.ports.directory.upcoming().into_iter().filter(|planned| planned.own).collect();
    let stream = Stream {
        t: owner.t(),
        page: owner.page.clone(),
        admin: owner.frame("broadcasts"),
        server: rtmp_server(&owner).await,
        refused: owner.ports.programme.refused().contains(&name),
        name,
        title,
        description,
        schedule,
        planned,
        failure,
    };
    owner.answer(status, &stream)
}
