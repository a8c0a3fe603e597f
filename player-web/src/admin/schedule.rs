//! `/admin/planned`: broadcasts that are to come.

use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stream_model::calendar::{CivilDate, parse_rfc3339};
use stream_model::{ProgrammeError, Schedule, ScheduleId, Scheduled, WallTime};

use super::broadcast::programme_text;
use super::field::{Field, lines};
use super::visitor::{Change, Frame, NoFields, SignedIn};
use crate::assets::{LICENCES_TXT, STYLE_CSS};
use crate::page::Page;
use crate::texts::Texts;

/// Where plans are listed.
const BROADCASTS: &str = "/admin/broadcasts";

/// Differences of local time to UTC that are in use on Earth.
const ZONES: [&str; 38] = [
    "-12:00", "-11:00", "-10:00", "-09:30", "-09:00", "-08:00", "-07:00", "-06:00", "-05:00", "-04:00", "-03:30",
    "-03:00", "-02:00", "-01:00", "+00:00", "+01:00", "+02:00", "+03:00", "+03:30", "+04:00", "+04:30", "+05:00",
    "+05:30", "+05:45", "+06:00", "+06:30", "+07:00", "+08:00", "+08:45", "+09:00", "+09:30", "+10:00", "+10:30",
    "+11:00", "+12:00", "+12:45", "+13:00", "+14:00",
];

/// UTC itself.
const UTC: &str = "+00:00";

/// A plan as it is typed.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Planning {
    title: String,
    description: String,
    date: String,
    time: String,
    zone: String,
}

#[derive(Template)]
#[template(path = "admin/schedule.html")]
struct Plan {
    t: Texts,
    page: Page,
    admin: Frame,
    /// The plan that is changed; a new one where there is none.
    id: Option<String>,
    title: Field,
    description: Field,
    date: Field,
    time: String,
    zone: String,
    failure: Option<String>,
}

impl Plan {
    fn zones() -> &'static [&'static str] {
        &ZONES
    }

    fn chosen(&self, zone: &str) -> bool {
        self.zone == zone
    }
}

#[derive(Template)]
#[template(path = "admin/schedule_cancel.html")]
struct Cancel {
    t: Texts,
    page: Page,
    admin: Frame,
    planned: Scheduled,
    failure: Option<String>,
}

pub(crate) async fn plan(owner: SignedIn) -> Response {
    let typed = Planning { zone: UTC.to_owned(), ..Planning::default() };
    form(owner, StatusCode::OK, None, typed, None)
}

pub(crate) async fn add(Change { owner, fields }: Change<Planning>) -> Response {
    let schedule = match read(&owner, &fields) {
        Ok(schedule) => schedule,
        Err(date) => return form(owner, StatusCode::UNPROCESSABLE_ENTITY, None, fields, Some(Wrong::Date(date))),
    };
    match owner.ports.programme.schedule(schedule).await {
        Ok(_) => owner.done(BROADCASTS, owner.t().get("owner-planned-added")),
        Err(error) => wrong(owner, None, fields, &error),
    }
}

pub(crate) async fn edit(Path(schedule): Path<String>, owner: SignedIn) -> Response {
    let Some(planned) = find(&owner, &schedule) else { return gone(&owner) };
    let (date, minutes) = (CivilDate::of(planned.starts_at), planned.starts_at.0 / 60_000 % 1_440);
    let typed = Planning {
        title: planned.title,
        description: planned.description,
        date: date.map(|date| date.to_string()).unwrap_or_default(),
        time: format!("{:02}:{:02}", minutes / 60, minutes % 60),
        zone: UTC.to_owned(),
    };
    form(owner, StatusCode::OK, Some(planned.id), typed, None)
}

pub(crate) async fn change(Path(schedule): Path<String>, Change { owner, fields }: Change<Planning>) -> Response {
    let Some(Scheduled { id, .. }) = find(&owner, &schedule) else { return gone(&owner) };
    let schedule = match read(&owner, &fields) {
        Ok(schedule) => schedule,
        Err(date) => return form(owner, StatusCode::UNPROCESSABLE_ENTITY, Some(id), fields, Some(Wrong::Date(date))),
    };
    match owner.ports.programme.reschedule(id, schedule).await {
        Ok(()) => owner.done(BROADCASTS, owner.t().get("owner-planned-changed")),
        Err(error) => wrong(owner, Some(id), fields, &error),
    }
}

pub(crate) async fn confirm_cancel(Path(schedule): Path<String>, owner: SignedIn) -> Response {
    match find(&owner, &schedule) {
        Some(planned) => ask(owner, StatusCode::OK, planned, None),
        None => gone(&owner),
    }
}

pub(crate) async fn cancel(Path(schedule): Path<String>, Change { owner, .. }: Change<NoFields>) -> Response {
    let Some(planned) = find(&owner, &schedule) else { return gone(&owner) };
    match owner.ports.programme.cancel(planned.id).await {
        Ok(()) => owner.done(BROADCASTS, owner.t().get("owner-planned-cancelled")),
        Err(error) => {
            let (status, failure) = programme_text(&owner, &error);
            ask(owner, status, planned, Some(failure))
        }
    }
}

fn ask(owner: SignedIn, status: StatusCode, planned: Scheduled, failure: Option<String>) -> Response {
    let (t, page, admin) = (owner.t(), owner.page.clone(), owner.frame("broadcasts"));
    owner.answer(status, &Cancel { t, page, admin, planned, failure })
}

fn find(owner: &SignedIn, schedule: &str) -> Option<Scheduled> {
    let id: ScheduleId = schedule.parse().ok()?;
    owner.state.ports.directory.upcoming().into_iter().find(|planned| planned.own && planned.id == id)
}

fn gone(owner: &SignedIn) -> Response {
    owner.done(BROADCASTS, owner.t().get("owner-planned-gone"))
}

/// What is planned, or what is wrong with its time.
fn read(owner: &SignedIn, typed: &Planning) -> Result<Schedule, String> {
    let t = owner.t();
    let starts_at = starts_at(typed).ok_or_else(|| t.get("owner-planned-time-wrong").to_string())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    if u128::from(starts_at.0) < now {
        return Err(t.get("owner-planned-time-past").to_string());
    }
    Ok(Schedule { title: typed.title.trim().to_owned(), description: lines(&typed.description), starts_at })
}

fn starts_at(typed: &Planning) -> Option<WallTime> {
    // Some browsers send seconds, too.
    let time = typed.time.get(..5)?;
    ZONES.contains(&&*typed.zone).then(|| parse_rfc3339(&format!("{}T{time}:00{}", typed.date, typed.zone)))?
}

/// What is wrong with a plan.
enum Wrong {
    Date(String),
    Programme(String, Place),
}

/// Where it is shown.
enum Place {
    Title,
    Description,
    Page,
}

fn wrong(owner: SignedIn, id: Option<ScheduleId>, typed: Planning, error: &ProgrammeError) -> Response {
    let (status, text) = programme_text(&owner, error);
    let place = match error {
        ProgrammeError::NoTitle | ProgrammeError::TooLong("title") => Place::Title,
        ProgrammeError::TooLong(_) => Place::Description,
        _ => Place::Page,
    };
    form(owner, status, id, typed, Some(Wrong::Programme(text, place)))
}

fn form(
    owner: SignedIn,
    status: StatusCode,
    id: Option<ScheduleId>,
    typed: Planning,
    wrong: Option<Wrong>,
) -> Response {
    let Planning { title, description, date, time, zone } = typed;
    let mut plan = Plan {
        t: owner.t(),
        page: owner.page.clone(),
        admin: owner.frame("broadcasts"),
        id: id.map(|id| id.slug()),
        title: Field::new(title),
        description: Field::new(description),
        date: Field::new(date),
        time,
        zone,
        failure: None,
    };
    let (place, text) = match wrong {
        None => return owner.answer(status, &plan),
        Some(Wrong::Date(text)) => (&mut plan.date.error, text),
        Some(Wrong::Programme(text, Place::Title)) => (&mut plan.title.error, text),
        Some(Wrong::Programme(text, Place::Description)) => (&mut plan.description.error, text),
        Some(Wrong::Programme(text, Place::Page)) => (&mut plan.failure, text),
    };
    *place = Some(text);
    owner.answer(status, &plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_the_difference_to_utc() {
        let at = |date: &str, time: &str, zone: &str| {
            let typed = Planning { date: date.into(), time: time.into(), zone: zone.into(), ..Planning::default() };
            starts_at(&typed)
        };
        assert_eq!(at("2026-11-21", "14:03", "+00:00"), Some(WallTime(1_795_269_780_000)));
        assert_eq!(at("2026-11-21", "15:03:59", "+01:00"), Some(WallTime(1_795_269_780_000)));
        assert_eq!(at("2026-11-21", "09:33", "-04:30"), None, "nobody has that time any more");
        for (date, time, zone) in
            [("", "", ""), ("2026-02-30", "10:00", UTC), ("2026-11-21", "24:00", UTC), ("2026-11-21", "é:00", UTC)]
        {
            assert_eq!(at(date, time, zone), None, "{date} {time} {zone}");
        }
    }
}
