//! Broadcasts as cards on pages: with who publishes them, a picture, and times.

use stream_model::calendar::CivilDate;
use stream_model::{Directory, FeedId, Listing, MessageKey, Period, Scheduled, WallTime};

use crate::app::Ports;
use crate::art;
use crate::people::{People, Person};
use crate::search::Question;
use crate::texts::Texts;
use crate::view::{BroadcastView, poster, utc};

/// Broadcasts that one page shows, but for the lists of live ones.
pub(crate) const PAGE: usize = 48;

/// A broadcast on a list.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) broadcast: BroadcastView,
    pub(crate) publisher: Person,
    /// The rendition of it that is made of pictures.
    thumbnails: Option<Listing>,
    seed: [u8; 32],
}

impl Card {
    /// The path of the picture that stands for it.
    pub(crate) fn poster(&self) -> Option<String> {
        self.thumbnails.as_ref().map(|_| poster(&self.broadcast.slug))
    }

    /// The path of what it looks like: of one that is live, its newest pictures side by side, of which the left one is to be shown.
    pub(crate) fn picture(&self) -> Option<String> {
        let thumbnails = self.thumbnails.as_ref()?;
        let tiles = thumbnails.rendition.as_ref()?.tiles?;
        let newest = thumbnails.media_sequence.filter(|_| self.broadcast.live() && tiles.rows == 1);
        newest.map(|newest| format!("/hls/{}/{newest}.jpg", thumbnails.id.slug())).or_else(|| self.poster())
    }

    /// A drawn picture, as SVG without anything foreign in it.
    pub(crate) fn art(&self) -> String {
        art::svg(self.seed)
    }

    /// When it began, as HTML.
    pub(crate) fn time(&self, t: &Texts) -> String {
        time(self.broadcast.started_at, *t)
    }

    /// Its state, as HTML.
    pub(crate) fn badge(&self, t: &Texts) -> String {
        if self.broadcast.live() {
            format!("<span class=\"badge live\">{}</span>", t.get("state-live"))
        } else {
            format!("<span class=\"badge ended\">{}</span>", t.get("state-ended"))
        }
    }

    /// It is of sound alone.
    pub(crate) fn sound_only(&self) -> bool {
        !self.broadcast.tracks.video
    }
}

/// A broadcast that is planned.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) publisher: Person,
    starts_at: WallTime,
    seed: [u8; 32],
}

impl Plan {
    pub(crate) fn new(plan: Scheduled, people: &People) -> Self {
        let Scheduled { id, author, title, description, starts_at, .. } = plan;
        Self { title, description, publisher: people.get(author), starts_at, seed: id.0.0 }
    }

    pub(crate) fn art(&self) -> String {
        art::svg(self.seed)
    }

    /// When it is to begin, as HTML.
    pub(crate) fn time(&self, t: &Texts) -> String {
        time(self.starts_at, *t)
    }
}

/// All broadcasts that people are shown, newest first: those that their publishers did not take back.
pub(crate) fn listed(ports: &Ports) -> Vec<Listing> {
    let shown = |listing: &Listing| ports.standings.standing(&listing.id).withdrawn.is_none();
    ports.directory.listings().into_iter().filter(shown).collect()
}

/// The cards of these broadcasts.
pub(crate) async fn cards(ports: &Ports, listings: Vec<Listing>) -> Vec<Card> {
    let people = People::of(&*ports.timeline, authors(&listings).into_iter()).await;
    listings.into_iter().map(|listing| card(ports, listing, &people)).collect()
}

pub(crate) fn card(ports: &Ports, listing: Listing, people: &People) -> Card {
    let (MessageKey(seed), author) = (listing.id.0, listing.author);
    let standing = ports.standings.standing(&listing.id);
    let thumbnails = ports.directory.thumbnails(&listing.id);
    let broadcast = BroadcastView::new(listing, &standing, &*ports.playlists);
    Card { broadcast, publisher: people.get(author), thumbnails, seed }
}

/// The broadcasts that fit a question by title, description, or the name of who publishes them.
pub(crate) async fn found(ports: &Ports, question: &Question) -> Vec<Listing> {
    let listings = listed(ports);
    let people = People::of(&*ports.timeline, authors(&listings).into_iter()).await;
    let fits =
        |listing: &Listing| question.fits(&[&listing.title, &listing.description, &people.get(listing.author).label()]);
    listings.into_iter().filter(fits).collect()
}

/// What is planned, the next first.
pub(crate) fn planned(directory: &dyn Directory, most: usize) -> Vec<Scheduled> {
    let mut plans = directory.upcoming();
    plans.sort_by_key(|plan| plan.starts_at);
    plans.truncate(most);
    plans
}

fn authors(listings: &[Listing]) -> Vec<FeedId> {
    listings.iter().map(|listing| listing.author).collect()
}

/// A time as HTML: in UTC, which scripts turn into the viewer's time.
pub(crate) fn time(time: WallTime, t: Texts) -> String {
    let text = utc(time);
    if text.is_empty() {
        return t.get("unknown-time").to_string();
    }
    let stamp = text.replacen(' ', "T", 1).replace(" UTC", "Z");
    format!("<time datetime=\"{stamp}\">{text}</time>")
}

/// A date as HTML.
pub(crate) fn date(date: CivilDate) -> String {
    format!("<time datetime=\"{date}\">{date}</time>")
}

/// An hour, or a day, as HTML.
pub(crate) fn period(period: Period) -> String {
    let begins = utc(period.start());
    let (Period::Hour(hour), Some((day, from))) =
        (period, begins.strip_suffix(" UTC").and_then(|time| time.split_once(' ')))
    else {
        return CivilDate::of(period.start()).map(date).unwrap_or_default();
    };
    let to = (hour + 1) % 24;
    format!("<time datetime=\"{day}T{from}Z\" data-hours=\"1\">{day} {from}–{to:02}:00 UTC</time>")
}

/// `1:02:03`.
pub(crate) fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;

    #[test]
    fn times_are_written_for_people_and_programs() {
        let t = Texts::of(None, &HeaderMap::new());
        let html = "<time datetime=\"2026-11-21T14:03Z\">2026-11-21 14:03 UTC</time>";
        assert_eq!(time(WallTime(1_795_269_780_000), t), html);
        assert_eq!(time(WallTime(u64::MAX), t), "an unknown time");
        assert_eq!(clock(3_723), "1:02:03");
        let night = "<time datetime=\"2026-11-21T23:00Z\" data-hours=\"1\">2026-11-21 23:00–00:00 UTC</time>";
        assert_eq!(period("2026-11-21T23Z".parse().unwrap()), night);
        assert_eq!(period("2026-11-21".parse().unwrap()), "<time datetime=\"2026-11-21\">2026-11-21</time>");
        assert_eq!(period(Period::Hour(u64::MAX)), "");
    }
}
