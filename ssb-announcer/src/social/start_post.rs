//! The post that tells people on ordinary SSB programs that a broadcast began, and where to watch it.

use std::fmt;
use std::sync::Arc;

use stream_model::BroadcastId;

use super::content::{Mention, PostContent};

/// Most addresses in a post: a node has a few, each on another network.
const MAX_ADDRESSES: usize = 4;

/// Characters of the description that are quoted; pages show it whole.
const MAX_QUOTED_CHARS: usize = 500;

/// Knows where this node's pages are reached.
#[derive(Clone)]
pub struct WebAddresses(Arc<dyn Fn() -> Vec<String> + Send + Sync>);

impl WebAddresses {
    /// `now` gives the addresses at the time it is called, such as `http://10.0.0.5:8080`, the best first. It may ask the
    /// system, but is to answer at once.
    pub fn new(now: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The addresses now.
    pub fn now(&self) -> Vec<String> {
        (self.0)()
    }
}

impl fmt::Debug for WebAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebAddresses").finish_non_exhaustive()
    }
}

/// Title and description are the owner's words, not Markdown.
pub(crate) fn start_post(broadcast: BroadcastId, title: &str, description: &str, addresses: &[String]) -> PostContent {
    let title = if title.trim().is_empty() { "Untitled broadcast" } else { title.trim() };
    let mut text = format!("Live: **{}**", literal(title));
    let quoted: String = description.trim().chars().take(MAX_QUOTED_CHARS).collect();
    for part in [literal(&quoted)].into_iter().filter(|part| !part.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&part);
    }
    for (number, address) in addresses.iter().take(MAX_ADDRESSES).enumerate() {
        text.push_str(if number == 0 { "\n\nWatch: " } else { " or " });
        text.push_str(&format!("<{}/watch/{}>", address.trim_end_matches('/'), broadcast.slug()));
    }
    PostContent {
        text,
        mentions: vec![Mention { link: broadcast.to_string(), name: Some(title.to_owned()) }],
        broadcast: Some(broadcast),
        ..PostContent::default()
    }
}

/// Markdown that shows a text as it is (CommonMark §2.4: any ASCII punctuation may be escaped).
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '~' | '|' | '&' | '!') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream_model::MessageKey;

    #[test]
    fn it_says_what_begins_and_where_to_watch_it() {
        let broadcast = BroadcastId(MessageKey([7; 32]));
        let addresses = ["http://[fc00::1]:8080".to_owned(), "http://10.0.0.5/".to_owned()];
        let post = start_post(broadcast, "Open *stage*", "", &addresses);
        let slug = broadcast.slug();
        assert_eq!(
            post.text,
            format!(
                "Live: **Open \\*stage\\***\n\nWatch: <http://[fc00::1]:8080/watch/{slug}> or <http://10.0.0.5/watch/{slug}>"
            )
        );
        assert_eq!((post.root, post.broadcast), (None, Some(broadcast)));
        assert_eq!(post.mentions[0].link, broadcast.to_string());
    }

    #[test]
    fn it_fits_a_message_whatever_the_owner_writes() {
        let address = format!("http://{}", "a".repeat(200));
        let (title, description) = ("*".repeat(200), "🎥".repeat(2_000));
        let post = start_post(BroadcastId(MessageKey([7; 32])), &title, &description, &vec![address; 20]);
        assert!(post.to_json().encode_utf16().count() < 6_000);
        assert!(start_post(BroadcastId(MessageKey([7; 32])), " ", "", &[]).text.contains("Untitled"));
    }
}
