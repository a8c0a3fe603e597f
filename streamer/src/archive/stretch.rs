//! Cuts a broadcast into hours, and hours into days. Pure: where it cuts depends only on what comes before and on the next
//! item, so that two nodes with the same segments cut alike.
//!
//! A stretch is what comes one after the other within the same hour, or day, of UTC, as the publisher dated it. A clock
//! that jumps begins another stretch, in either direction; two stretches may so have the same label. Where the clock was not
//! trusted there are no dates, and a stretch has an hour, or a day, of media.

use std::time::Duration;

use stream_model::{ArchiveManifest, MediaSegment, Period};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Segments of an hour: those of 1 s fit. Bounds the directory to a third of a megabyte.
const HOUR_ITEMS: usize = 4_000;
/// Hours of a day: more than 25 only where the clock jumps again and again.
const DAY_ITEMS: usize = 1_000;

/// What stretches are made of.
pub(crate) trait Item {
    /// The label of the stretch that it belongs to.
    fn label(&self) -> Option<Period>;

    /// Length of its media.
    fn duration(&self) -> Duration;
}

impl Item for MediaSegment {
    fn label(&self) -> Option<Period> {
        self.program_date_time.and_then(Period::hour_of)
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}

impl Item for ArchiveManifest {
    fn label(&self) -> Option<Period> {
        self.period.map(Period::day)
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}

/// The stretch that grows.
#[derive(Debug)]
pub(crate) struct Stretch<T> {
    undated: Duration,
    most: usize,
    items: Vec<T>,
    duration: Duration,
}

impl Stretch<MediaSegment> {
    /// An hour without segments.
    pub(crate) fn hour() -> Self {
        Self { undated: HOUR, most: HOUR_ITEMS, items: Vec::new(), duration: Duration::ZERO }
    }
}

impl Stretch<ArchiveManifest> {
    /// A day without hours.
    pub(crate) fn day() -> Self {
        Self { undated: DAY, most: DAY_ITEMS, items: Vec::new(), duration: Duration::ZERO }
    }
}

impl<T: Item> Stretch<T> {
    /// The next item. Returns the items of the stretch before it, where it begins another.
    pub(crate) fn push(&mut self, item: T) -> Option<Vec<T>> {
        let cut = self.ends_before(&item);
        let finished = cut.then(|| self.finish());
        self.duration += item.duration();
        self.items.push(item);
        finished
    }

    fn ends_before(&self, item: &T) -> bool {
        let Some(first) = self.items.first() else { return false };
        let label = first.label();
        let too_long = label.is_none() && self.duration + item.duration() > self.undated;
        label != item.label() || too_long || self.items.len() >= self.most
    }

    /// What there is of it; it is empty then.
    pub(crate) fn finish(&mut self) -> Vec<T> {
        self.duration = Duration::ZERO;
        std::mem::take(&mut self.items)
    }

    /// Its items so far.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }
}

/// All the hours of consecutive segments; the last one may not be complete.
pub(crate) fn hours(segments: impl IntoIterator<Item = MediaSegment>) -> Vec<Vec<MediaSegment>> {
    let mut hour = Stretch::hour();
    let mut hours: Vec<_> = segments.into_iter().filter_map(|segment| hour.push(segment)).collect();
    if !hour.items().is_empty() {
        hours.push(hour.finish());
    }
    hours
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::{DiscontinuitySequence, MediaSequence, WallTime};

    use super::*;

    /// 2026-11-21T14:00:00Z.
    const TWO: u64 = 1_795_269_600;

    fn segment(sequence: u64, date: Option<u64>) -> MediaSegment {
        let cid = testkit::fakes::cid_of(&sequence.to_be_bytes());
        MediaSegment {
            media_sequence: MediaSequence(sequence),
            discontinuity_sequence: DiscontinuitySequence(0),
            duration: Duration::from_secs(15),
            program_date_time: date.map(|seconds| WallTime(seconds * 1000)),
            independent: true,
            segment: cid,
            init: cid,
        }
    }

    fn lengths(dates: impl IntoIterator<Item = Option<u64>>) -> Vec<usize> {
        let segments = dates.into_iter().enumerate().map(|(at, date)| segment(at as u64, date));
        hours(segments).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_broadcast_is_cut_where_an_hour_begins() {
        let from_half_past = (0..480).map(|n| Some(TWO + 1800 + 15 * n));
        assert_eq!(lengths(from_half_past), [120, 240, 120]);
    }

    #[test]
    fn a_segment_belongs_to_the_hour_that_it_begins_in() {
        assert_eq!(lengths([Some(TWO - 1), Some(TWO + 14)]), [1, 1]);
        assert_eq!(lengths([Some(TWO), Some(TWO + 3599)]), [2]);
    }

    #[test]
    fn a_clock_that_jumps_begins_another_hour_in_either_direction() {
        let year = 365 * 24 * 3600;
        assert_eq!(lengths([Some(TWO), Some(TWO + year), Some(TWO + year + 15)]), [1, 2]);
        assert_eq!(lengths([Some(TWO), Some(TWO - year), Some(TWO + 15)]), [1, 1, 1]);
    }

    #[test]
    fn without_dates_an_hour_has_an_hour_of_media() {
        assert_eq!(lengths([None; 500]), [240, 240, 20]);
        assert_eq!(lengths([None, None, Some(TWO), Some(TWO + 15), None]), [2, 2, 1]);
    }

    #[test]
    fn an_hour_does_not_outgrow_its_directory() {
        assert_eq!(lengths([Some(TWO); 4_001]), [4_000, 1]);
    }

    #[test]
    fn nothing_has_no_hours() {
        assert!(lengths([]).is_empty());
    }

    proptest! {
        #[test]
        fn no_segment_is_lost_and_what_is_cut_stays_cut(
            dates in prop::collection::vec(prop::option::of(TWO..TWO + 20_000), 0..200), more in 0_usize..50
        ) {
            let all = lengths(dates.iter().copied());
            prop_assert_eq!(all.iter().sum::<usize>(), dates.len());
            let fewer = lengths(dates.iter().copied().take(dates.len().saturating_sub(more)));
            let whole = fewer.len().saturating_sub(1);
            prop_assert_eq!(&fewer[..whole], &all[..whole]);
        }
    }
}
