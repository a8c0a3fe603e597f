//! `/archive` and `/archive/{date}`: what was broadcast, by day; what still is stands with the days that it has been so far.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::calendar::CivilDate;
use stream_model::{Listing, Period};

use super::{What, trouble};
use crate::app::{AppState, Ports};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::card::{Card, PAGE, cards, date, listed};
use crate::page::{Framing, Page};
use crate::texts::Texts;

/// Days of a page: two months.
const DAYS: usize = 60;

#[derive(Template)]
#[template(path = "archive.html")]
struct Archive {
    t: Texts,
    page: Page,
    days: Vec<DayLine>,
    older: Option<String>,
}

/// A day on which something was broadcast.
struct DayLine {
    /// As HTML.
    date: String,
    href: String,
    broadcasts: usize,
    /// Titles of some of them.
    titles: Vec<String>,
}

#[derive(Template)]
#[template(path = "archive_day.html")]
struct ArchiveDay {
    t: Texts,
    page: Page,
    /// As HTML.
    date: String,
    cards: Vec<Card>,
    /// The rest of the day.
    more: Option<String>,
    /// The days before and after it on which there was something.
    earlier: Option<CivilDate>,
    later: Option<CivilDate>,
}

/// Which days are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct BeforeDay {
    before: Option<String>,
}

/// Which part of a day is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    from: Option<usize>,
}

/// Titles that stand for a day.
const TITLES: usize = 3;

pub(crate) async fn days(
    State(state): State<AppState>,
    page: Page,
    before: Result<Query<BeforeDay>, QueryRejection>,
) -> Response {
    let before = before.ok().and_then(|Query(before)| before.before?.parse::<CivilDate>().ok()).map(CivilDate::days);
    let by_day = by_day(&state.ports);
    let wanted = |(day, _): &(&u64, &Vec<Listing>)| before.is_none_or(|before| **day < before);
    let mut days: Vec<_> = by_day.iter().rev().filter(wanted).collect();
    let more = days.len() > DAYS;
    days.truncate(DAYS);
    let older = days.last().filter(|_| more).and_then(|(day, _)| Some(format!("/archive?before={}", civil(**day)?)));
    let line = |(day, listings): (&u64, &Vec<Listing>)| {
        let day = civil(*day)?;
        let titles = listings.iter().map(|listing| listing.title.trim().to_owned()).filter(|title| !title.is_empty());
        let titles = titles.take(TITLES).collect();
        Some(DayLine { date: date(day), href: format!("/archive/{day}"), broadcasts: listings.len(), titles })
    };
    let days = days.into_iter().filter_map(line).collect();
    page.answer(StatusCode::OK, &Archive { t: page.t, page: page.clone(), days, older }, Framing::Nobody)
}

pub(crate) async fn day(
    State(state): State<AppState>,
    page: Page,
    Path(wanted): Path<String>,
    from: Result<Query<Part>, QueryRejection>,
) -> Response {
    let Ok(wanted) = wanted.parse::<CivilDate>() else { return trouble(page, What::Page, Framing::Nobody) };
    let from = from.ok().and_then(|Query(from)| from.from).unwrap_or(0);
    let mut by_day = by_day(&state.ports);
    let day = wanted.days();
    let earlier = by_day.range(..day).next_back().and_then(|(day, _)| civil(*day));
    let later = by_day.range(day + 1..).next().and_then(|(day, _)| civil(*day));
    let listings = by_day.remove(&day).unwrap_or_default();
    let rest = from.saturating_add(PAGE);
    let more = (listings.len() > rest).then(|| format!("/archive/{wanted}?from={rest}"));
    let cards = cards(&state.ports, listings.into_iter().skip(from).take(PAGE).collect()).await;
    let template = ArchiveDay { t: page.t, page: page.clone(), date: date(wanted), cards, more, earlier, later };
    page.answer(StatusCode::OK, &template, Framing::Nobody)
}

/// What is known, by the days since 1970 on which it began, of which it has an archive, or in which its newest segment is.
fn by_day(ports: &Ports) -> BTreeMap<u64, Vec<Listing>> {
    let mut days: BTreeMap<u64, Vec<Listing>> = BTreeMap::new();
    for listing in listed(ports) {
        let directory = &ports.directory;
        let newest = listing.media_sequence.and_then(|newest| directory.segments(&listing.id, newest, 1).pop());
        let dated = [Some(listing.started_at), newest.and_then(|segment| segment.program_date_time)];
        // Of a broadcast that goes on, hours are archived before the day is over.
        let archived = directory.archives(&listing.id).into_iter().filter_map(|archive| archive.period);
        let on = dated.into_iter().flatten().filter_map(Period::hour_of).chain(archived);
        let on: BTreeSet<u64> = on.filter_map(|period| CivilDate::of(period.start())).map(CivilDate::days).collect();
        for day in on {
            days.entry(day).or_default().push(listing.clone());
        }
    }
    days
}

fn civil(day: u64) -> Option<CivilDate> {
    CivilDate::of(stream_model::WallTime(day.checked_mul(stream_model::calendar::DAY_MS)?))
}
