//! Who publishes and writes, as pages show them. Names are what people call themselves: anybody may call themselves
//! anything, so a name always leads to the feed that it is of.

use std::collections::HashMap;

use stream_model::{BroadcastId, FeedId, MessageKey, Timeline};

use crate::post_view::AuthorView;

/// Feeds whose names are looked up for one page: a lookup each in the database, about as many as there are cards.
const MAX_LOOKUPS: usize = 64;

/// Colours that drawn pictures have: `.tone-0` and so on in the style sheet.
pub(crate) const TONES: u8 = 8;

/// Somebody who publishes or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) feed: FeedId,
    pub(crate) name: Option<String>,
    /// The path of a picture.
    pub(crate) image: Option<String>,
}

impl Person {
    /// What they call themselves, or enough of their feed to tell it from others.
    pub(crate) fn label(&self) -> String {
        match self.name.as_deref().map(str::trim) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => short(&self.feed),
        }
    }

    /// The letter that stands in for a picture.
    fn initial(&self) -> String {
        let first = self.label().chars().find(|char| char.is_alphanumeric());
        first.map_or_else(|| "@".to_owned(), |char| char.to_uppercase().collect())
    }

    fn tone(&self) -> u8 {
        self.feed.0[0] % TONES
    }

    /// Their picture, or a letter for it, as HTML: a path of this node, or one letter or digit.
    pub(crate) fn avatar(&self) -> String {
        match &self.image {
            Some(image) => {
                format!("<img class=\"avatar\" src=\"{image}\" alt=\"\" width=\"40\" height=\"40\" loading=\"lazy\">")
            }
            None => {
                format!("<span class=\"avatar tone-{}\" aria-hidden=\"true\">{}</span>", self.tone(), self.initial())
            }
        }
    }

    /// Their page.
    pub(crate) fn href(&self) -> String {
        format!("/feed/{}", feed_slug(&self.feed))
    }
}

impl From<&AuthorView> for Person {
    fn from(author: &AuthorView) -> Self {
        Self { feed: author.feed, name: author.name.clone(), image: author.image.clone() }
    }
}

/// People, by their feeds.
#[derive(Debug, Default)]
pub(crate) struct People(HashMap<FeedId, Person>);

impl People {
    /// What the first of these feeds say of themselves. Of the others, and where the timeline does not work, the feed alone is known.
    pub(crate) async fn of(timeline: &dyn Timeline, feeds: impl Iterator<Item = FeedId> + Send) -> Self {
        let mut known = HashMap::new();
        for feed in feeds {
            if known.len() >= MAX_LOOKUPS {
                break;
            }
            if known.contains_key(&feed) {
                continue;
            }
            let profile = timeline.profile(feed).await.ok().flatten();
            let author = profile.map(|profile| AuthorView::from(profile.author));
            let person = author.as_ref().map_or(Person { feed, name: None, image: None }, Person::from);
            known.insert(feed, person);
        }
        Self(known)
    }

    pub(crate) fn get(&self, feed: FeedId) -> Person {
        self.0.get(&feed).cloned().unwrap_or(Person { feed, name: None, image: None })
    }
}

/// Enough of a feed to tell it from others.
pub(crate) fn short(feed: &FeedId) -> String {
    feed.to_string().chars().take(9).chain(['…']).collect()
}

/// A feed in the address of a page: its 32 bytes in base64url, as broadcasts are written there.
pub(crate) fn feed_slug(feed: &FeedId) -> String {
    MessageKey(feed.0).slug()
}

/// The feed of an address: as [`feed_slug`] writes it, or as SSB does.
pub(crate) fn parse_feed(text: &str) -> Option<FeedId> {
    text.parse().ok().or_else(|| text.parse().ok().map(|BroadcastId(MessageKey(bytes))| FeedId(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_called_by_name_or_by_feed() {
        let person = |name: Option<&str>| Person { feed: FeedId([9; 32]), name: name.map(str::to_owned), image: None };
        assert_eq!(person(Some(" Ada ")).label(), "Ada");
        for nameless in [None, Some(""), Some(" \n")] {
            assert_eq!(person(nameless).label(), "@CQkJCQkJ…");
        }
        assert_eq!(person(Some("«élan»")).initial(), "É");
        assert_eq!(person(Some("!!!")).initial(), "@");
        assert_eq!(person(Some("أحمد")).initial(), "أ");
    }

    #[test]
    fn a_feed_is_read_from_both_of_its_forms() {
        let feed = FeedId([0xfb; 32]);
        assert_eq!(parse_feed(&feed_slug(&feed)), Some(feed));
        assert_eq!(parse_feed(&feed.to_string()), Some(feed));
        for odd in ["", "@", "x", "%2e", "../../etc/passwd"] {
            assert_eq!(parse_feed(odd), None, "{odd}");
        }
    }
}
