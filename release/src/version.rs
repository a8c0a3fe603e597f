//! Versions of Debian packages, and their order (deb-version(7), Debian Policy §5.6.12).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest version that is read: those of Debian's packages have at most 60 characters.
pub const MAX_VERSION_BYTES: usize = 64;

/// A version such as `0.2.0-1`. Two that are spelled differently may be equal, as `1.0` and `1.00` are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no version of a Debian package, such as 0.2.0-1")]
pub struct VersionError(String);

/// What a version consists of.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    epoch: u32,
    upstream: &'a str,
    revision: &'a str,
}

impl Version {
    /// The version as it is spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> Parts<'_> {
        parts(&self.0).expect("it was parsed when it was made")
    }
}

/// `None` for what is no version.
fn parts(text: &str) -> Option<Parts<'_>> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch.parse().ok()?, rest),
        Some(_) => return None,
        None => (0, text),
    };
    let (upstream, revision) = rest.rsplit_once('-').map_or((rest, None), |(upstream, of)| (upstream, Some(of)));
    let fits = |part: &str, more: &[u8]| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let begins_with_digit = upstream.starts_with(|first: char| first.is_ascii_digit());
    let good = fits(upstream, b".+~-") && begins_with_digit && revision.is_none_or(|part| fits(part, b".+~"));
    // No revision is the same as revision 0.
    good.then_some(Parts { epoch, upstream, revision: revision.unwrap_or("0") })
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_VERSION_BYTES || parts(text).is_none() {
            return Err(VersionError(text.chars().take(MAX_VERSION_BYTES).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.parts(), other.parts());
        a.epoch
            .cmp(&b.epoch)
            .then_with(|| compare(a.upstream, b.upstream))
            .then_with(|| compare(a.revision, b.revision))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Compares texts and numbers in turn: letters come before other signs, `~` before everything, even the end.
fn compare(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, text_b) = (cut(&mut a, |byte| !byte.is_ascii_digit()), cut(&mut b, |byte| !byte.is_ascii_digit()));
        let (number_a, number_b) =
            (cut(&mut a, |byte| byte.is_ascii_digit()), cut(&mut b, |byte| byte.is_ascii_digit()));
        let order = compare_texts(text_a, text_b).then_with(|| compare_numbers(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes what fits off the beginning.
fn cut<'a>(text: &mut &'a str, fits: impl Fn(u8) -> bool) -> &'a str {
    let end = text.bytes().position(|byte| !fits(byte)).unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

fn compare_texts(a: &str, b: &str) -> Ordering {
    /// Where the text has ended.
    const END: u16 = 1;
    let weight = |byte: u8| match byte {
        b'~' => 0,
        letter if letter.is_ascii_alphabetic() => u16::from(letter),
        sign => 256 + u16::from(sign),
    };
    let weights = |text: &str| text.bytes().map(weight).chain([END]).collect::<Vec<_>>();
    weights(a).cmp(&weights(b))
}

/// Numbers of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_in_debians_order() {
        // deb-version(7): the order of parts of texts, and the epoch before all.
        let ascending = [
            "0.1.0~~",
            "0.1.0~~a",
            "0.1.0~rc1-1",
            "0.1.0~rc2-1",
            "0.1.0",
            "0.1.0-0.1",
            "0.1.0-1",
            "0.1.0-1+b1",
            "0.1.0-1.1",
            "0.1.0-2",
            "0.1.0-10",
            "0.1.0a-1",
            "0.1.0+git1-1",
            "0.1.10-1",
            "0.2~beta-1",
            "1:0.0.1-1",
            "2:0",
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(version(a).cmp(&version(b)), at.cmp(&other), "{a} and {b}");
            }
        }
        for (a, b) in [("1.0", "1.00"), ("1.0", "1.0-0"), ("0:1.0", "1.0"), ("1.0-01", "1.0-1")] {
            assert_eq!(version(a), version(b), "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "-1",
            "a1",
            "1_0",
            "1.0-",
            "1:",
            ":1",
            "x:1",
            "1/2",
            "1.0 ",
            "../1",
            "1\n",
            "9999999999:1",
            "ä1",
            "1:2:3",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        assert!("1".repeat(MAX_VERSION_BYTES).parse::<Version>().is_ok());
        assert!("1".repeat(MAX_VERSION_BYTES + 1).parse::<Version>().is_err());
    }

    fn dpkg_says(a: &str, relation: &str, b: &str) -> bool {
        Command::new("dpkg").args(["--compare-versions", a, relation, b]).status().unwrap().success()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_order_is_that_of_dpkg(a in "([0-2]:)?[0-2][0-1a~.+-]{0,5}(-[0-1a~.+]{1,4})?", b in "([0-2]:)?[0-2][0-1a~.+-]{0,5}(-[0-1a~.+]{1,4})?") {
            let (Ok(one), Ok(other)) = (a.parse::<Version>(), b.parse::<Version>()) else { return Ok(()) };
            let relation = match one.cmp(&other) { Ordering::Less => "lt", Ordering::Equal => "eq", Ordering::Greater => "gt" };
            prop_assert!(dpkg_says(&a, relation, &b), "{a} {relation} {b}");
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}", other in "[0-9a-z.:+~-]{0,80}") {
            let (a, b) = (text.parse::<Version>(), other.parse::<Version>());
            if let (Ok(a), Ok(b)) = (a, b) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            }
        }
    }
}
