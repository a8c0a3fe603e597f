//! Content of `post`, `about` and `vote`: typed and bounded.
//!
//! Read as other programs write it: a field of another form than expected counts as missing, lists and texts that are too
//! long are cut, only a message without its essential field is none at all. Written in the one form that all of them
//! read (`docs/protocol/social.md`).

use serde::Serialize;
use serde_json::{Value, json};
use stream_model::{BlobId, BroadcastId, FeedId, MessageKey, Vote};

use crate::announcement::text;

/// Type of a post.
pub const POST: &str = "post";
/// Type of what is said of a feed.
pub const ABOUT: &str = "about";
/// Type of a vote.
pub const VOTE: &str = "vote";

/// Characters of a text; a message holds no more than this many UTF-16 units in all.
pub const MAX_TEXT_CHARS: usize = 8_192;
/// Characters of a name: a line on a phone twice over.
pub const MAX_NAME_CHARS: usize = 100;
/// Characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Characters of a channel's name: those of Patchwork are shorter.
pub const MAX_CHANNEL_CHARS: usize = 60;
/// Messages that one post answers at once: the ends of a thread that grew in several places.
pub const MAX_BRANCHES: usize = 16;
/// Things that one post names.
pub const MAX_MENTIONS: usize = 32;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Social {
    /// `post`
    Post(PostContent),
    /// `about`
    About(AboutContent),
    /// `vote`
    Vote(VoteContent),
}

/// Content of a `post`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostContent {
    /// Markdown, without control characters.
    pub text: String,
    /// The message that began the thread.
    pub root: Option<MessageKey>,
    /// The messages of the thread that it answers.
    pub branches: Vec<MessageKey>,
    /// Its topic, without `#`.
    pub channel: Option<String>,
    /// Feeds, messages, blobs and topics that it names.
    pub mentions: Vec<Mention>,
    /// The broadcast whose start it tells.
    pub broadcast: Option<BroadcastId>,
}

/// Something that a post names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// `@….ed25519`, `%….sha256`, `&….sha256` or `#topic`.
    pub link: String,
    /// How the post calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Content of an `about`. What is `None` it does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutContent {
    /// Whom it is about.
    pub about: FeedId,
    /// One line.
    pub name: Option<String>,
    /// Some lines.
    pub description: Option<String>,
    /// A picture.
    pub image: Option<Portrait>,
}

/// What an `about` says of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portrait {
    /// It is this blob.
    Shown(BlobId),
    /// There is none any more.
    Removed,
}

/// Content of a `vote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteContent {
    /// What is voted for.
    pub link: MessageKey,
    /// Which way. A value that is not above zero counts as withdrawn.
    pub vote: Vote,
}

impl Social {
    /// Reads the content of a message. `kind` is the message's type, `value_json` its whole value. `None` for other types,
    /// and where what makes it one of them is missing.
    pub fn parse(kind: &str, value_json: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(value_json).ok()?;
        let content = value.get("content")?;
        match kind {
            POST => PostContent::read(content).map(Self::Post),
            ABOUT => AboutContent::read(content).map(Self::About),
            VOTE => VoteContent::read(content).map(Self::Vote),
            _ => None,
        }
    }
}

impl PostContent {
    pub(super) fn read(content: &Value) -> Option<Self> {
        let text = text::lines(content.get("text")?.as_str()?).chars().take(MAX_TEXT_CHARS).collect();
        let channel = content.get("channel").and_then(Value::as_str).map(|channel| {
            text::line(channel.trim_start_matches('#')).chars().take(MAX_CHANNEL_CHARS).collect::<String>()
        });
        Some(Self {
            text,
            root: link(content.get("root")),
            branches: several(content.get("branch"))
                .filter_map(|branch| link(Some(branch)))
                .take(MAX_BRANCHES)
                .collect(),
            channel: channel.filter(|channel| !channel.is_empty()),
            mentions: several(content.get("mentions")).filter_map(Mention::read).take(MAX_MENTIONS).collect(),
            broadcast: link(content.get("broadcast")).map(BroadcastId),
        })
    }

    /// The content as JSON, to be signed. One branch is written as a text, several as a list, as all programs read it.
    pub fn to_json(&self) -> String {
        let branch = match self.branches.as_slice() {
            [] => None,
            [one] => Some(Value::String(one.to_string())),
            more => Some(more.iter().map(|key| Value::String(key.to_string())).collect()),
        };
        write(&PostJson {
            kind: POST,
            text: &self.text,
            root: self.root,
            branch,
            channel: self.channel.as_deref(),
            mentions: &self.mentions,
            broadcast: self.broadcast.map(|broadcast| broadcast.0),
        })
    }
}

#[derive(Serialize)]
struct PostJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<MessageKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mentions: &'a [Mention],
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast: Option<MessageKey>,
}

impl Mention {
    fn read(value: &Value) -> Option<Self> {
        let link = value.as_str().or_else(|| value.get("link")?.as_str())?;
        if !is_reference(link) {
            return None;
        }
        let name = value.get("name").and_then(Value::as_str).map(name_of).filter(|name| !name.is_empty());
        Some(Self { link: link.to_owned(), name })
    }

    /// The blob that it names, where it is one.
    pub(super) fn blob(&self) -> Option<BlobId> {
        blob(&self.link)
    }

    /// What a text names: each feed, message and blob written in it, once.
    pub fn in_text(text: &str) -> Vec<Self> {
        let mut mentions: Vec<Self> = Vec::new();
        for (at, sigil) in text.char_indices().filter(|(_, character)| matches!(character, '@' | '%' | '&')) {
            let length = if sigil == '@' { FEED_CHARS } else { HASH_CHARS };
            let Some(link) = text.get(at..at + length).filter(|link| is_reference(link)) else { continue };
            if mentions.iter().all(|known| known.link != link) {
                mentions.push(Self { link: link.to_owned(), name: None });
            }
        }
        mentions.truncate(MAX_MENTIONS);
        mentions
    }
}

impl AboutContent {
    fn read(content: &Value) -> Option<Self> {
        let about = content.get("about")?.as_str()?.parse().ok()?;
        let text_of = |field: &str| content.get(field).and_then(Value::as_str);
        Some(Self {
            about,
            name: text_of("name").map(name_of).filter(|name| !name.is_empty()),
            description: text_of("description")
                .map(|text| text::lines(text).chars().take(MAX_DESCRIPTION_CHARS).collect()),
            image: content.get("image").and_then(Portrait::read),
        })
    }

    /// The content as JSON, to be signed.
    pub fn to_json(&self) -> String {
        write(&AboutJson {
            kind: ABOUT,
            about: self.about,
            name: self.name.as_deref(),
            description: self.description.as_deref(),
            image: self.image.map(Portrait::to_value),
        })
    }
}

impl Portrait {
    fn read(image: &Value) -> Option<Self> {
        if image.get("remove").and_then(Value::as_bool) == Some(true) {
            return Some(Self::Removed);
        }
        match image.as_str().or_else(|| image.get("link")?.as_str())? {
            "" => Some(Self::Removed),
            link => blob(link).map(Self::Shown),
        }
    }

    /// npm `ssb-social-index` (Patchwork, Oasis) drops a picture where the value has `remove`, `ssb-about-self` (Manyverse) knows
    /// only texts, of which the empty one is no picture: this is read by both.
    fn to_value(self) -> Value {
        match self {
            Self::Shown(blob) => json!(blob),
            Self::Removed => json!({ "link": "", "remove": true }),
        }
    }
}

#[derive(Serialize)]
struct AboutJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    about: FeedId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Value>,
}

impl VoteContent {
    fn read(content: &Value) -> Option<Self> {
        let vote = content.get("vote")?;
        let value = vote.get("value").and_then(Value::as_f64).unwrap_or_default();
        Some(Self { link: link(vote.get("link"))?, vote: if value > 0.0 { Vote::For } else { Vote::Withdrawn } })
    }

    /// The content as JSON, to be signed.
    pub fn to_json(&self) -> String {
        let (value, expression) = match self.vote {
            Vote::For => (1, "Like"),
            Vote::Withdrawn => (0, "Unlike"),
        };
        write(&VoteJson { kind: VOTE, vote: VoteBody { link: self.link, value, expression } })
    }
}

#[derive(Serialize)]
struct VoteJson {
    #[serde(rename = "type")]
    kind: &'static str,
    vote: VoteBody,
}

#[derive(Serialize)]
struct VoteBody {
    link: MessageKey,
    value: u8,
    expression: &'static str,
}

/// Characters of a feed id: `@`, 44 of base64, `.ed25519`.
const FEED_CHARS: usize = 53;
/// Characters of a message key or a blob id.
const HASH_CHARS: usize = 52;

fn write(content: &impl Serialize) -> String {
    serde_json::to_string(content).expect("these types have no maps with keys other than strings")
}

/// A message, written as a text or as an object with a `link`.
fn link(value: Option<&Value>) -> Option<MessageKey> {
    let value = value?;
    value.as_str().or_else(|| value.get("link")?.as_str())?.parse().ok()
}

/// The elements of a list, or the one value that stands for a list of one.
fn several(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, one) = match value {
        Some(Value::Array(list)) => (list.as_slice(), None),
        one => (&[][..], one),
    };
    list.iter().chain(one)
}

fn name_of(text: &str) -> String {
    text::line(text).trim().chars().take(MAX_NAME_CHARS).collect()
}

fn is_reference(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'@') => text.parse::<FeedId>().is_ok(),
        Some(b'%') => text.parse::<MessageKey>().is_ok(),
        Some(b'&') => blob(text).is_some(),
        Some(b'#') => (2..=MAX_CHANNEL_CHARS).contains(&text.chars().count()) && text::line(text) == text,
        _ => false,
    }
}

/// Only as SSB writes it, not as URLs here do. JavaScript's `ssb-blobs` puts a key behind it, `?unbox=…`, where it is
/// encrypted: nothing to show.
fn blob(text: &str) -> Option<BlobId> {
    text.starts_with('&').then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
