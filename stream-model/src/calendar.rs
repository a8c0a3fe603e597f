//! Dates of the proleptic Gregorian calendar in UTC, which label times.

use std::fmt;
use std::str::FromStr;

use crate::WallTime;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;
/// The end of the year 9999, the last that has four digits.
const END: u64 = 253_402_300_800_000;
/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// A date from 1970-01-01 to 9999-12-31, written as `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilDate {
    year: u64,
    month: u64,
    day: u64,
}

impl CivilDate {
    /// The date of a time in UTC; `None` for years of five digits.
    pub fn of(time: WallTime) -> Option<Self> {
        (time.0 < END).then(|| Self::from_days(time.0 / DAY_MS))
    }

    /// Days since 1970-01-01, counted in years that begin in March, so that the leap day is the last of its year.
    pub fn days(self) -> u64 {
        let Self { year, month, day } = self;
        let shifted_year = if month < 3 { year - 1 } else { year };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + day_of_year - DAYS_BEFORE_1970
    }

    /// The inverse of [`days`](Self::days).
    fn from_days(days: u64) -> Self {
        let days = days + DAYS_BEFORE_1970;
        let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = (shifted_month + 2) % 12 + 1;
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * shifted_month + 2) / 5 + 1 }
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The text is no date from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a date as 2026-11-21")]
pub struct NotADate;

impl FromStr for CivilDate {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse::<u64>().ok()
        };
        let parts = (|| Some((number(0, 4)?, number(5, 7)?, number(8, 10)?)))();
        let (year, month, day) = parts.ok_or(NotADate)?;
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(NotADate);
        }
        let date = Self { year, month, day };
        // Separators, lengths, and the 31st of February: whatever is not as it would be written is refused.
        let as_written = Self::from_days(date.days()) == date && date.to_string() == text;
        if as_written { Ok(date) } else { Err(NotADate) }
    }
}

/// Reads a time as RFC 3339 writes it, from 1970 on: `2026-11-21T14:00:00Z`, `2026-11-21T15:00:00.25+01:00`. Digits beyond
/// milliseconds are left out. `None` for all else.
pub fn parse_rfc3339(text: &str) -> Option<WallTime> {
    let number = |part: Option<&str>, below: u64| {
        let digits = part.filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok().filter(|number| *number < below)
    };
    let date: CivilDate = text.get(..10)?.parse().ok()?;
    let rest = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, digits)| (clock, Some(digits)));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (number(parts.next(), 24)?, number(parts.next(), 60)?, number(parts.next(), 60)?);
    let millis = match fraction {
        None => 0,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<3}").get(..3)?.parse::<u64>().ok()?
        }
        Some(_) => return None,
    };
    let local = date.days() * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis;
    let offset = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        Some((number(Some(hours), 24)? * 60 + number(Some(minutes), 60)?) * 60_000)
    };
    let utc = match zone.split_at(1) {
        ("Z" | "z", "") => local,
        ("+", ahead) => local.checked_sub(offset(ahead)?)?,
        ("-", behind) => local + offset(behind)?,
        _ => return None,
    };
    parts.next().is_none().then_some(WallTime(utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_are_written_as_date_writes_them() {
        // date -u -d @SECONDS +%F
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_795_269_600, "2026-11-21"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            let date = CivilDate::of(WallTime(seconds * 1000)).unwrap();
            assert_eq!(date.to_string(), text);
            assert_eq!(text.parse(), Ok(date));
            assert_eq!(date.days(), seconds / 86_400);
        }
        assert_eq!(CivilDate::of(WallTime(u64::MAX)), None);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "2026-02-30", "2026-11-2", "2026-11-211", "2026/11/21", "1969-12-31", "ääää-11-21"] {
            assert_eq!(text.parse::<CivilDate>(), Err(NotADate), "{text}");
        }
    }

    #[test]
    fn times_are_read_with_fractions_and_zones() {
        // date -u -d TEXT +%s%3N
        for (text, millis) in [
            ("2026-11-21T14:00:00Z", 1_795_269_600_000),
            ("2026-11-21t14:00:00.5z", 1_795_269_600_500),
            ("2026-11-21T15:30:00.123456+01:30", 1_795_269_600_123),
            ("2026-11-21 12:00:00-02:00", 1_795_269_600_000),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(parse_rfc3339(text), Some(WallTime(millis)), "{text}");
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T14:00:00",
            "2026-11-21T14:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T14:00:60Z",
            "2026-11-21T14:00:00.Z",
            "2026-11-21T14:00:00Z1",
            "2026-11-21T14:00:00+1",
            "2026-11-21T+1:00:00Z",
            "1970-01-01T00:00:00+00:01",
            "äääääääääää",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
