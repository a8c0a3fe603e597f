//! Markdown of strangers as HTML that may stand on the owner's pages.
//!
//! Two layers, each enough by itself: comrak shows HTML in the text as text, and only links of known kinds are left; what
//! comes out is put through ammonia's list of elements and attributes, which has no scripts, styles, forms, frames and
//! pictures (`docs/decisions/0012-markdown.md`). Nothing of it is loaded from the network by being shown.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use comrak::nodes::NodeValue;
use comrak::{Arena, Node, Options, format_html, parse_document};
use stream_model::{BroadcastId, FeedId, MessageKey};

/// Most bytes that are rendered. A message of SSB holds less.
const MAX_BYTES: usize = 32 * 1024;

/// Where quotes and lists are this deep, the text is shown as it was written: a browser would only draw bars.
const MAX_NESTING: usize = 32;

/// What every link says of where it leads: written by strangers.
const REL: &str = "nofollow noopener noreferrer ugc";

/// Renders a text. `is_broadcast` says of which messages there is a page to watch.
pub(crate) fn render(markdown: &str, is_broadcast: impl Fn(&BroadcastId) -> bool) -> String {
    let markdown = &markdown[..markdown.floor_char_boundary(MAX_BYTES)];
    let html =
        to_html(markdown, is_broadcast).unwrap_or_else(|| format!("<pre>{}</pre>", ammonia::clean_text(markdown)));
    SANITIZER.clean(&html).to_string()
}

/// `None` where it is nested too deep.
fn to_html(markdown: &str, is_broadcast: impl Fn(&BroadcastId) -> bool) -> Option<String> {
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &OPTIONS);
    if too_deep(root) {
        return None;
    }
    let nodes: Vec<Node<'_>> = root.descendants().collect();
    for node in nodes {
        let keep = match &mut node.data_mut().value {
            NodeValue::Link(link) => match destination(&link.url, &is_broadcast) {
                Some(url) => {
                    link.url = url;
                    link.title.clear();
                    true
                }
                None => false,
            },
            NodeValue::Image(_) => false,
            _ => true,
        };
        if !keep {
            unwrap(node);
        }
    }
    let mut html = String::with_capacity(2 * markdown.len());
    format_html(root, &OPTIONS, &mut html).ok()?;
    Some(html)
}

fn too_deep(root: Node<'_>) -> bool {
    let (mut depth, mut node) = (0_usize, root);
    loop {
        if let Some(child) = node.first_child() {
            depth += 1;
            node = child;
        } else {
            while node.next_sibling().is_none() {
                match node.parent() {
                    Some(parent) if depth > 0 => node = parent,
                    _ => return false,
                }
                depth -= 1;
            }
            match node.next_sibling() {
                Some(next) if depth > 0 => node = next,
                _ => return false,
            }
        }
        if depth > MAX_NESTING {
            return true;
        }
    }
}

/// Leaves of a node only what is in it: the words of a link, the words that stand for a picture.
fn unwrap(node: Node<'_>) {
    let children: Vec<Node<'_>> = node.children().collect();
    for child in children {
        node.insert_before(child);
    }
    node.detach();
}

/// Where a link may lead: to the web, to a broadcast's page here, or to another SSB program by an `ssb:` URI ("SSB URI
/// specification", canonical forms). Nowhere else: neither to scripts nor into the owner's pages.
fn destination(url: &str, is_broadcast: impl Fn(&BroadcastId) -> bool) -> Option<String> {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some(url.to_owned());
    }
    let base64url = |base64: &str| base64.replace('+', "-").replace('/', "_");
    if let Ok(feed) = url.parse::<FeedId>() {
        let feed = feed.to_string();
        let key = feed.strip_prefix('@')?.strip_suffix(".ed25519")?;
        return Some(format!("ssb:feed/ed25519/{}", base64url(key)));
    }
    let (sigil, kind) = match url.as_bytes().first()? {
        b'%' => ('%', "message"),
        b'&' => ('&', "blob"),
        _ => return None,
    };
    let message: MessageKey = url.replacen(sigil, "%", 1).parse().ok()?;
    let broadcast = BroadcastId(message);
    if kind == "message" && is_broadcast(&broadcast) {
        return Some(format!("/watch/{}", broadcast.slug()));
    }
    let text = message.to_string();
    let hash = text.strip_prefix('%')?.strip_suffix(".sha256")?;
    Some(format!("ssb:{kind}/sha256/{}", base64url(hash)))
}

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut options = Options::default();
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.table = true;
    // HTML in the text is shown as text. SSB programs show each line break.
    options.render.escape = true;
    options.render.hardbreaks = true;
    options
});

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from([
            "a",
            "blockquote",
            "br",
            "code",
            "del",
            "em",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "hr",
            "li",
            "ol",
            "p",
            "pre",
            "strong",
            "table",
            "tbody",
            "td",
            "th",
            "thead",
            "tr",
            "ul",
        ]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))]))
        .url_schemes(HashSet::from(["http", "https", "ssb"]))
        .url_relative(UrlRelative::Custom(Box::new(watch_page)))
        .link_rel(Some(REL));
    builder
});

/// Of the owner's pages only those of broadcasts are linked to.
fn watch_page(url: &str) -> Option<Cow<'_, str>> {
    let slug = url.strip_prefix("/watch/")?;
    slug.parse::<BroadcastId>().is_ok().then_some(Cow::Borrowed(url))
}

/// One way through the renderer, for fuzzing and for replaying its corpus.
///
/// # Panics
/// Where rendering panics, or lets through what it must not: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    assert_harmless(&render(&text, |broadcast| broadcast.0.0[0] & 1 == 0));
}

/// Reads HTML tag by tag, as a serializer writes it that escapes every other `<`.
fn assert_harmless(html: &str) {
    let tags = SANITIZER.clone_tags();
    for tag in html.split('<').skip(1) {
        let (tag, _text) = tag.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        assert!(tags.contains(name), "<{tag}>");
        let mut rest = tag.split_once(' ').map_or("", |(_, attributes)| attributes);
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"").expect("an attribute has a value in quotes");
            let (value, next) = after.split_once('"').expect("a value ends");
            let value = value.to_ascii_lowercase();
            let harmless = match key {
                "href" => ["http://", "https://", "ssb:", "/watch/"].iter().any(|start| value.starts_with(start)),
                "rel" => value == REL,
                "start" => value.parse::<u64>().is_ok(),
                _ => false,
            };
            assert!(harmless, "{key}=\"{value}\" in {html}");
            rest = next.trim_start();
        }
    }
}

#[cfg(test)]
mod tests;
