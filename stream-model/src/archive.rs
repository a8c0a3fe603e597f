//! Archives: manifests of an hour, a day or the whole of a broadcast, and the UTC periods that label them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::calendar::{CivilDate, DAY_MS};
use crate::{BroadcastId, MediaSequence, WallTime};

const HOUR_MS: u64 = 3_600_000;

/// What an archive manifest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveKind {
    /// The segments of an hour, in one directory.
    Hour,
    /// The hours of a day.
    Day,
    /// All hours of a broadcast that has ended.
    Broadcast,
}

impl ArchiveKind {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Broadcast => "broadcast",
        }
    }
}

impl fmt::Display for ArchiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ArchiveKind {
    type Err = NotAnArchiveKind;

    fn from_str(text: &str) -> Result<Self, NotAnArchiveKind> {
        [Self::Hour, Self::Day, Self::Broadcast].into_iter().find(|kind| kind.as_str() == text).ok_or(NotAnArchiveKind)
    }
}

/// The text is none of the kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected hour, day or broadcast")]
pub struct NotAnArchiveKind;

/// An hour or a day of UTC: a label for people. Hours and days of a broadcast are known by their first media sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Hours since 1970-01-01T00Z: `2026-11-21T14Z`.
    Hour(u64),
    /// Days since 1970-01-01: `2026-11-21`.
    Day(u64),
}

impl Period {
    /// The hour that a time lies in; `None` for years of five digits.
    pub fn hour_of(time: WallTime) -> Option<Self> {
        CivilDate::of(time)?;
        Some(Self::Hour(time.0 / HOUR_MS))
    }

    /// The day that it is, or lies in.
    #[must_use]
    pub fn day(self) -> Self {
        match self {
            Self::Hour(hours) => Self::Day(hours / (DAY_MS / HOUR_MS)),
            Self::Day(_) => self,
        }
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> WallTime {
        WallTime(match self {
            Self::Hour(hours) => hours.saturating_mul(HOUR_MS),
            Self::Day(days) => days.saturating_mul(DAY_MS),
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a period that is no date nothing is written: it is never made from a text or a time.
        let Some(date) = CivilDate::of(self.start()) else { return Ok(()) };
        match self {
            Self::Hour(hours) => write!(f, "{date}T{:02}Z", hours % 24),
            Self::Day(_) => write!(f, "{date}"),
        }
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let (date, hour) = match text.split_once('T') {
            Some((date, hour)) => (date, Some(hour.strip_suffix('Z').ok_or(NotAPeriod)?)),
            None => (text, None),
        };
        let days = date.parse::<CivilDate>().map_err(|_| NotAPeriod)?.days();
        let period = match hour {
            None => Self::Day(days),
            Some(hour) => {
                let hour = hour.parse::<u64>().ok().filter(|hour| *hour < 24).ok_or(NotAPeriod)?;
                Self::Hour(days * 24 + hour)
            }
        };
        // Whatever is not as it would be written is refused.
        if period.to_string() == text { Ok(period) } else { Err(NotAPeriod) }
    }
}

/// The text is no hour or day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an hour or a day of UTC, as 2026-11-21T14Z or 2026-11-21")]
pub struct NotAPeriod;

/// A part of a broadcast that is kept for good: content of `meshstream-archive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveManifest {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// How much of it.
    pub kind: ArchiveKind,
    /// The hour or the day by the publisher's clock, where that is trusted; `None` for a whole broadcast.
    pub period: Option<Period>,
    /// Its first segment; with the kind, what it is known by.
    pub first_media_sequence: MediaSequence,
    /// Its last segment.
    pub last_media_sequence: MediaSequence,
    /// The UnixFS directory.
    pub manifest: Cid,
    /// Length of the media in it.
    pub duration: Duration,
    /// Bytes of all files below the directory.
    pub bytes: u64,
}

impl ArchiveManifest {
    /// Whether a segment is in it, or was meant to be.
    pub fn covers(&self, sequence: MediaSequence) -> bool {
        (self.first_media_sequence..=self.last_media_sequence).contains(&sequence)
    }
}

/// Knows the hours that are not complete of this node's own live broadcasts (implemented by `streamer`).
pub trait RunningHours: fmt::Debug + Send + Sync {
    /// The newest manifest of what there is so far. It is superseded by larger ones, and by the complete hour; it is
    /// announced to nobody.
    fn running_hour(&self, broadcast: &BroadcastId) -> Option<ArchiveManifest>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T14:03:00Z.
    const TIME: WallTime = WallTime(1_795_269_780_000);

    #[test]
    fn periods_are_written_and_read_back() {
        let hour = Period::hour_of(TIME).unwrap();
        for (period, text) in [
            (hour, "2026-11-21T14Z"),
            (hour.day(), "2026-11-21"),
            (Period::Hour(0), "1970-01-01T00Z"),
            (Period::Day(0), "1970-01-01"),
        ] {
            assert_eq!(period.to_string(), text);
            assert_eq!(text.parse(), Ok(period));
        }
        assert_eq!(hour.day().day(), hour.day());
        assert_eq!(Period::hour_of(WallTime(u64::MAX)), None);
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "T",
            "2026-11-21T24Z",
            "2026-11-21T4Z",
            "2026-11-21T14",
            "2026-11-21T+4Z",
            "2026-02-30",
            "2026-13-01",
            "26-11-21",
            "2026-11-21 ",
            "1969-12-31",
            "10000-01-01",
            "2026-11-21T99999999999999999999Z",
        ] {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
    }
}
