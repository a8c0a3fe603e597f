//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 §4.3.2.6): ISO 8601 with milliseconds, in UTC.

use stream_model::WallTime;

/// The end of the year 9999, the last that has four digits.
const END: u64 = 253_402_300_800_000;
const DAY_MS: u64 = 86_400_000;

/// `2026-11-21T14:00:00.000Z`; nothing for years of five digits.
pub(super) fn render(time: WallTime) -> Option<String> {
    if time.0 >= END {
        return None;
    }
    let (year, month, day) = civil(time.0 / DAY_MS);
    let ms = time.0 % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000))
}

/// Reads what [`render`] writes, and nothing else.
pub(super) fn parse(text: &str) -> Option<WallTime> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let time = WallTime(days(year, month, day) * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms);
    // Separators, lengths, and the 31st of February: whatever is not as it would be written is refused.
    (render(time).as_deref() == Some(text)).then_some(time)
}

/// Days since 1970-01-01, counted in years that begin in March, so that the leap day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let shifted_year = if month < 3 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + day_of_year - DAYS_BEFORE_1970
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// The inverse of [`days`].
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month < 3);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times_are_written_as_date_writes_them() {
        // date -u -d @SECONDS +%FT%T
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_795_269_600, "2026-11-21T14:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(render(WallTime(seconds * 1000)).as_deref(), Some(text));
        }
        assert_eq!(render(WallTime(u64::MAX)), None);
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "2026-02-30T00:00:00.000Z",
            "2026-11-21 14:00:00.000Z",
            "2026-11-21T24:00:00.000Z",
            "ääää-11-21T14:00:00.000Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0..END) {
            prop_assert_eq!(parse(&render(WallTime(ms)).unwrap()), Some(WallTime(ms)));
        }
    }
}
