//! The pages. Each works before its script loads, and says what to do next.

mod archive;
mod mesh;
mod node;
mod timeline;
mod watch;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use stream_model::calendar::CivilDate;
use stream_model::{BroadcastId, BroadcastState, Listing};

use super::{first_boot, json_error};
use crate::app::AppState;
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::card::{Card, PAGE, Plan, cards, date, found, listed, planned};
use crate::node_state::NodeState;
use crate::page::{Framing, Page};
use crate::people::People;
use crate::search::{MAX_CHARS, Question};
use crate::texts::Texts;

pub(crate) use archive::{day, days};
pub(crate) use mesh::mesh;
pub(crate) use node::node;
pub(crate) use timeline::{feed, thread, timeline};
pub(crate) use watch::{comments, details, embed, watch};

/// Live broadcasts on the home page: more than a mesh carries.
const MAX_LIVE: usize = 100;

/// Planned broadcasts on the home page; a festival of a day.
const MAX_PLANNED: usize = 12;

/// Broadcasts that are over on the home page; the archive has them all.
const MAX_RECENT: usize = 18;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    t: Texts,
    page: Page,
    node_line: String,
    live: Vec<Card>,
    upcoming: Vec<Plan>,
    recent: Vec<Day>,
}

/// Broadcasts that began on a day.
#[derive(Debug)]
pub(crate) struct Day {
    /// As HTML; empty where the clock of who published them is none.
    pub(crate) heading: String,
    /// The day's page.
    pub(crate) href: Option<String>,
    pub(crate) cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    t: Texts,
    page: Page,
    question: String,
    cards: Vec<Card>,
    /// There are more than are shown.
    more: bool,
    asked: bool,
}

/// What is looked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) q: String,
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble {
    t: Texts,
    page: Page,
    what: What,
}

/// What is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Page,
    /// A page of the documents.
    Document,
    Broadcast,
    /// A broadcast that the owner does not show.
    Hidden,
    Post,
    Feed,
    /// The node cannot read what it has.
    Failed,
}

pub(crate) async fn home(State(state): State<AppState>, page: Page) -> Response {
    let ports = &state.ports;
    if let Some(first) = first_boot::first(ports) {
        return first;
    }
    let (mut live, mut over): (Vec<_>, Vec<_>) =
        listed(ports).into_iter().partition(|listing| listing.state == BroadcastState::Live);
    live.truncate(MAX_LIVE);
    over.truncate(MAX_RECENT);
    let plans = planned(&*ports.directory, MAX_PLANNED);
    let people = People::of(&*ports.timeline, plans.iter().map(|plan| plan.author)).await;
    let home = Home {
        t: page.t,
        page: page.clone(),
        node_line: NodeState::of(&*ports.status).await.line(page.t),
        live: cards(ports, live).await,
        upcoming: plans.into_iter().map(|plan| Plan::new(plan, &people)).collect(),
        recent: by_day(cards(ports, over).await),
    };
    page.answer(StatusCode::OK, &home, Framing::Nobody)
}

/// Cards that follow one another, in groups of those that began on the same day.
fn by_day(cards: Vec<Card>) -> Vec<Day> {
    let mut days: Vec<(Option<CivilDate>, Vec<Card>)> = Vec::new();
    for card in cards {
        let began = CivilDate::of(card.broadcast.started_at);
        match days.last_mut() {
            Some((day, cards)) if *day == began => cards.push(card),
            _ => days.push((began, vec![card])),
        }
    }
    let day = |(day, cards): (Option<CivilDate>, Vec<Card>)| Day {
        heading: day.map(date).unwrap_or_default(),
        href: day.map(|day| format!("/archive/{day}")),
        cards,
    };
    days.into_iter().map(day).collect()
}

pub(crate) async fn search(
    State(state): State<AppState>,
    page: Page,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let question: String = asked.ok().map(|Query(asked)| asked.q).unwrap_or_default().chars().take(MAX_CHARS).collect();
    let mut fitting: Vec<Listing> = Vec::new();
    let parsed = Question::new(&question);
    if let Some(parsed) = &parsed {
        fitting = found(&state.ports, parsed).await;
    }
    let more = fitting.len() > PAGE;
    fitting.truncate(PAGE);
    let cards = cards(&state.ports, fitting).await;
    let search = Search { t: page.t, page: page.clone(), question, cards, more, asked: parsed.is_some() };
    page.answer(StatusCode::OK, &search, Framing::Nobody)
}

pub(crate) async fn not_found(page: Page, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return json_error(StatusCode::NOT_FOUND, format!("there is no {} here", uri.path()));
    }
    not_found_page(page)
}

pub(crate) fn not_found_page(page: Page) -> Response {
    trouble(page, What::Page, Framing::Nobody)
}

pub(crate) fn no_document(page: Page) -> Response {
    trouble(page, What::Document, Framing::Nobody)
}

/// A page that says what is not to be had, and what to do.
fn trouble(page: Page, what: What, framing: Framing) -> Response {
    let status = match what {
        What::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        What::Hidden => StatusCode::FORBIDDEN,
        What::Page | What::Document | What::Broadcast | What::Post | What::Feed => StatusCode::NOT_FOUND,
    };
    let template = Trouble { t: page.t, page: page.clone(), what };
    page.answer(status, &template, framing)
}

fn failed(page: Page) -> Response {
    trouble(page, What::Failed, Framing::Nobody)
}

/// Why a broadcast is not shown.
fn missing(state: &AppState, broadcast: &str) -> What {
    let hidden = broadcast.parse().is_ok_and(|id: BroadcastId| state.ports.moderation.hides(&id.0));
    if hidden { What::Hidden } else { What::Broadcast }
}
