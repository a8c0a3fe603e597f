//! The course of a broadcast: which of its segments are here, in spans, and where its hours begin.

use std::sync::Arc;
use std::time::Duration;

use stream_model::{
    BroadcastId, BroadcastState, BroadcastTimeline, HourMark, Listing, MediaSegment, MediaSequence, PlaylistError,
    Span, SpanState,
};

use super::library::Hour;
use super::remembered::Basis;
use super::{Shared, lock, recording};
use crate::manifest::PlaylistEntry;

/// Spans that are told of: on the widest screen each has a pixel.
const MOST_SPANS: usize = 2_048;
impl Shared {
    pub(super) async fn timeline(&self, broadcast: &BroadcastId) -> Result<Arc<BroadcastTimeline>, PlaylistError> {
        let listing = self.listing(broadcast)?;
        let held = lock(&self.held).get(broadcast).cloned().unwrap_or_default();
        let basis = Basis { state: listing.state, newest: listing.media_sequence, held: held.len() };
        if let Some(known) = lock(&self.timelines).get(broadcast, &basis) {
            return Ok(known);
        }
        let segments = self.all_segments(&listing).await?;
        let ended = listing.state == BroadcastState::Ended;
        if segments.is_empty() {
            return Err(if ended {
                PlaylistError::NotFound
            } else {
                PlaylistError::NotYet(listing.target_duration / 2)
            });
        }
        let is_held = |sequence| listing.own || held.contains(sequence);
        let hours = self.hours_of(&listing, segments.clone());
        let timeline = Arc::new(course(&listing, &segments, &hours, is_held));
        lock(&self.timelines).insert(*broadcast, basis, Arc::clone(&timeline));
        Ok(timeline)
    }
}

/// The time line of these segments, as the playlist of the whole has it.
fn course(
    listing: &Listing,
    segments: &[MediaSegment],
    hours: &[Hour],
    is_held: impl Fn(MediaSequence) -> bool,
) -> BroadcastTimeline {
    let ended = listing.state == BroadcastState::Ended;
    let entries = recording(listing, segments, ended).entries;
    let marks = marks(&entries, hours);
    let spans = spans(&entries, MOST_SPANS, is_held);
    let duration = spans.last().map_or(Duration::ZERO, |last| last.from + last.duration);
    BroadcastTimeline { duration, ended, spans, hours: marks }
}

/// Where the hours begin. One of which nothing is listed has no place.
fn marks(entries: &[PlaylistEntry], hours: &[Hour]) -> Vec<HourMark> {
    let mut marks = Vec::with_capacity(hours.len());
    let mut hours = hours.iter().peekable();
    let mut from = Duration::ZERO;
    for entry in entries {
        while hours.next_if(|hour| hour.last < entry.media_sequence).is_some() {}
        if let Some(hour) = hours.next_if(|hour| hour.first <= entry.media_sequence) {
            marks.push(HourMark {
                first: hour.first,
                from,
                period: hour.period,
                program_date_time: entry.program_date_time,
                complete: hour.complete,
            });
        }
        from += entry.duration;
    }
    marks
}

/// Runs of segments of which the same is true, at most `most`: where there are more, groups of ever more segments count as one.
fn spans(entries: &[PlaylistEntry], most: usize, is_held: impl Fn(MediaSequence) -> bool) -> Vec<Span> {
    let single = |entry: &PlaylistEntry| match (entry.gap, is_held(entry.media_sequence)) {
        (true, _) => SpanState::Gap,
        (false, true) => SpanState::Held,
        (false, false) => SpanState::Elsewhere,
    };
    let states: Vec<_> = entries.iter().map(single).collect();
    let mut group = 1;
    loop {
        let runs = runs(entries, &states, group);
        if runs.len() <= most.max(1) {
            return runs;
        }
        group *= 2;
    }
}

fn runs(entries: &[PlaylistEntry], states: &[SpanState], group: usize) -> Vec<Span> {
    let mut runs: Vec<Span> = Vec::new();
    let mut from = Duration::ZERO;
    for (entries, states) in entries.chunks(group).zip(states.chunks(group)) {
        let Some((first, state)) = entries.first().zip(states.first()) else { continue };
        // Of a group that is here in part, something is to be fetched.
        let state = if states.iter().all(|other| other == state) { *state } else { SpanState::Elsewhere };
        let (segments, duration) = (entries.len() as u64, entries.iter().map(|entry| entry.duration).sum());
        match runs.last_mut().filter(|last| last.state == state) {
            Some(last) => {
                last.segments += segments;
                last.duration += duration;
            }
            None => runs.push(Span { state, first: first.media_sequence, segments, from, duration }),
        }
        from += duration;
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stream_model::DiscontinuitySequence;

    use super::*;

    const TARGET: Duration = Duration::from_secs(2);

    fn entries(gaps: &[bool]) -> Vec<PlaylistEntry> {
        let entry = |(number, gap): (usize, &bool)| PlaylistEntry {
            gap: *gap,
            ..PlaylistEntry::missing(MediaSequence(number as u64), DiscontinuitySequence(0), TARGET)
        };
        gaps.iter().enumerate().map(entry).collect()
    }

    fn hour(first: u64, last: u64) -> Hour {
        Hour { first: MediaSequence(first), last: MediaSequence(last), period: None, complete: true }
    }

    #[test]
    fn what_is_here_elsewhere_and_nowhere_are_spans() {
        let gaps = [false, false, true, true, false, false];
        let found = spans(&entries(&gaps), 10, |sequence| sequence.0 != 5);
        let told: Vec<_> =
            found.iter().map(|span| (span.state, span.first.0, span.segments, span.from.as_secs())).collect();
        let (held, elsewhere, gap) = (SpanState::Held, SpanState::Elsewhere, SpanState::Gap);
        assert_eq!(told, [(held, 0, 2, 0), (gap, 2, 2, 4), (held, 4, 1, 8), (elsewhere, 5, 1, 10)]);
        assert_eq!(spans(&[], 10, |_| true), []);
    }

    #[test]
    fn an_hour_begins_where_the_first_of_it_is_that_is_listed() {
        let listed = &entries(&[false; 9])[3..];
        let found = marks(listed, &[hour(0, 1), hour(2, 4), hour(5, 5), hour(7, 99), hour(100, 200)]);
        let told: Vec<_> = found.iter().map(|mark| (mark.first.0, mark.from.as_secs())).collect();
        assert_eq!(told, [(2, 0), (5, 4), (7, 8)]);
    }

    proptest! {
        #[test]
        fn spans_are_bounded_and_cover_all_without_holes(
            segments in prop::collection::vec((prop::bool::ANY, prop::bool::ANY), 0..200),
            most in 1_usize..20,
        ) {
            let gaps: Vec<_> = segments.iter().map(|(gap, _)| *gap).collect();
            let found = spans(&entries(&gaps), most, |sequence| segments[sequence.0 as usize].1);
            prop_assert!(found.len() <= most);
            let (mut next, mut from) = (0, Duration::ZERO);
            for span in &found {
                prop_assert_eq!((span.first.0, span.from), (next, from));
                next += span.segments;
                from += span.duration;
            }
            prop_assert_eq!(next, segments.len() as u64);
            prop_assert_eq!(from, TARGET * segments.len() as u32);
            prop_assert!(found.windows(2).all(|pair| pair[0].state != pair[1].state), "runs are joined");
        }
    }
}
