//! The ladder: which renditions there are to be, the most wanted first. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use stream_model::{MAX_RENDITION_NAME_CHARS, MAX_RENDITIONS, THUMBNAILS};

/// Lowest and highest picture of a rendition in lines.
const HEIGHTS: std::ops::RangeInclusive<u32> = 64..=2_160;

/// One rendition that there is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Shown to people, one of a kind: `480p`.
    pub name: String,
    /// How it is made.
    pub kind: RungKind,
}

/// How a rendition is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RungKind {
    /// The picture is encoded anew, the sound stays as it is.
    Picture {
        /// Lines of the picture; its width follows from that of the original.
        height: NonZeroU32,
        /// Of the picture, in kbit/s.
        kbps: NonZeroU32,
    },
    /// The sound alone, as it is.
    SoundOnly,
}

/// Renditions that there are to be, in the order in which they are wanted: the last is the first to be left out where the
/// processor does not bear them all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladder(Vec<Rung>);

/// Why a ladder is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLadder {
    /// More than are told of one broadcast.
    #[error("more than {MAX_RENDITIONS} renditions: leave some out")]
    TooMany,
    /// A name that cannot be shown.
    #[error(
        "the name '{0}' is empty, longer than {MAX_RENDITION_NAME_CHARS} characters, or has others than letters, digits and spaces"
    )]
    Name(String),
    /// A name that something else has.
    #[error("the name '{0}' is that of the pictures to look through a broadcast with: choose another")]
    Taken(String),
    /// A name that another has.
    #[error("two renditions are called '{0}': call one of them otherwise")]
    Twice(String),
    /// Two with sound alone would be the same.
    #[error("two renditions with sound alone: leave one out")]
    TwoSounds,
    /// A picture that encoders do not make.
    #[error("a picture of {0} lines: set a height of {min} to {max}", min = HEIGHTS.start(), max = HEIGHTS.end())]
    Height(u32),
}

impl Ladder {
    /// A ladder of these.
    ///
    /// # Errors
    /// [`BadLadder`] names what is wrong with one of them.
    pub fn new(rungs: Vec<Rung>) -> Result<Self, BadLadder> {
        if rungs.len() > MAX_RENDITIONS {
            return Err(BadLadder::TooMany);
        }
        let mut names = BTreeSet::new();
        for Rung { name, kind } in &rungs {
            let is_shown = |letter: char| letter.is_alphanumeric() || letter == ' ' || letter == '-';
            let fits = !name.trim().is_empty() && name.chars().count() <= MAX_RENDITION_NAME_CHARS;
            if !fits || !name.chars().all(is_shown) {
                return Err(BadLadder::Name(name.clone()));
            }
            if name == THUMBNAILS {
                return Err(BadLadder::Taken(name.clone()));
            }
            if !names.insert(name) {
                return Err(BadLadder::Twice(name.clone()));
            }
            if let RungKind::Picture { height, .. } = kind
                && !HEIGHTS.contains(&height.get())
            {
                return Err(BadLadder::Height(height.get()));
            }
        }
        if rungs.iter().filter(|rung| rung.kind == RungKind::SoundOnly).count() > 1 {
            return Err(BadLadder::TwoSounds);
        }
        Ok(Self(rungs))
    }

    /// The rungs, the most wanted first.
    pub fn rungs(&self) -> &[Rung] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(name: &str, height: Option<u32>) -> Rung {
        let picture = |height| RungKind::Picture {
            height: NonZeroU32::new(height).unwrap(),
            kbps: NonZeroU32::new(500).unwrap(),
        };
        Rung { name: name.to_owned(), kind: height.map_or(RungKind::SoundOnly, picture) }
    }

    #[test]
    fn what_cannot_be_made_or_told_apart_is_refused() {
        let good = Ladder::new(vec![rung("sound", None), rung("480p", Some(480)), rung("Très bas", Some(144))]);
        assert_eq!(good.unwrap().rungs().len(), 3);
        for (rungs, wrong) in [
            (vec![rung("", Some(480))], BadLadder::Name(String::new())),
            (vec![rung("a\"b", Some(480))], BadLadder::Name("a\"b".to_owned())),
            (vec![rung("a", Some(480)), rung("a", Some(240))], BadLadder::Twice("a".to_owned())),
            (vec![rung("a", None), rung("b", None)], BadLadder::TwoSounds),
            (vec![rung("a", Some(5_000))], BadLadder::Height(5_000)),
            ((0..9).map(|number| rung(&number.to_string(), Some(480))).collect(), BadLadder::TooMany),
        ] {
            assert_eq!(Ladder::new(rungs), Err(wrong));
        }
    }
}
