//! `EXT-X-PROGRAM-DATE-TIME` (RFC 8216 §4.3.2.6): ISO 8601 with milliseconds, in UTC.

use stream_model::WallTime;
use stream_model::calendar::{CivilDate, DAY_MS};

/// `2026-11-21T14:00:00.000Z`; nothing for years of five digits.
pub(super) fn render(time: WallTime) -> Option<String> {
    let date = CivilDate::of(time)?;
    let ms = time.0 % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000))
}

/// Reads what [`render`] writes, and nothing else.
pub(super) fn parse(text: &str) -> Option<WallTime> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let date: CivilDate = text.get(..10)?.parse().ok()?;
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let time = WallTime(date.days() * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 + ms);
    // Whatever is not as it would be written is refused.
    (render(time).as_deref() == Some(text)).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The end of the year 9999, the last that has four digits.
    const END: u64 = 253_402_300_800_000;

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
