//! The pages as mdBook wants them: in one folder, with links that stay within it.
//!
//! What `docs/SUMMARY.md` names is a chapter, wherever in the repository it lies: pages of `docs/` come to the top of the book,
//! others keep their path. Files that chapters link to go along where they lie in `docs/` or beside a chapter. A link to
//! anything else of the repository becomes its text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use pulldown_cmark::{Event, Options, Parser, Tag};

const SUMMARY: &str = "docs/SUMMARY.md";

/// What the book is made of. Paths are separated by `/` and begin at the repository or at the book.
pub(crate) struct Source {
    /// Markdown by its path in the repository.
    pages: BTreeMap<String, String>,
    /// Other files, by their path in the repository.
    attachments: BTreeMap<String, Vec<u8>>,
    /// Places in the book of those that are named otherwise there.
    attached: Vec<String>,
    /// What links lead to that is there, but no part of the book.
    outside: BTreeSet<String>,
}

impl Source {
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let read = |path: &str| std::fs::read(repository.join(path)).with_context(|| format!("cannot read {path}"));
        let text = |path: &str| String::from_utf8(read(path)?).with_context(|| format!("{path} is no text"));
        let summary = text(SUMMARY)?;
        let mut pages = BTreeMap::new();
        for link in links(&summary) {
            let Some(path) = resolve(SUMMARY, &link.target) else { continue };
            let page = text(&path).context("docs/SUMMARY.md names it")?;
            pages.insert(path, page);
        }
        let (mut attachments, mut outside) = (BTreeMap::new(), BTreeSet::new());
        for (from, page) in &pages {
            for path in links(page).iter().filter_map(|link| resolve(from, &link.target)) {
                let file = repository.join(&path);
                let is_chapter = pages.contains_key(&path) || pages.contains_key(&index_of(&path));
                if is_chapter || !file.exists() {
                    continue;
                }
                if file.is_file() && !path.ends_with(".md") && (path.starts_with("docs/") || beside(&pages, &path)) {
                    attachments.insert(path.clone(), read(&path)?);
                } else {
                    outside.insert(path);
                }
            }
        }
        pages.insert(SUMMARY.to_owned(), summary);
        let attached = attachments.keys().map(|path| place(path)).collect();
        Ok(Self { pages, attachments, attached, outside })
    }

    /// What the book has to be made anew for, in the repository.
    pub(crate) fn read_from(&self) -> impl Iterator<Item = &str> {
        // Pages that nobody names yet are noticed by the folder.
        let files = self.pages.keys().chain(self.attachments.keys()).map(String::as_str);
        ["docs", "hardware"].into_iter().chain(files)
    }

    /// Files that are no chapters, by their place in the book.
    pub(crate) fn attachments(&self) -> &[String] {
        &self.attached
    }

    /// Leaves everything in a folder.
    pub(crate) fn stage(&self, folder: &Path) -> Result<()> {
        for (path, page) in &self.pages {
            crate::write(&folder.join(place(path)), self.led_within(path, page).as_bytes())?;
        }
        for (path, content) in &self.attachments {
            crate::write(&folder.join(place(path)), content)?;
        }
        Ok(())
    }

    /// A page whose links lead to where things are in the book.
    fn led_within(&self, from: &str, page: &str) -> String {
        let mut led = page.to_owned();
        // From the end, so that what is still to be changed stays where it was.
        for link in links(page).into_iter().rev() {
            let Some(path) = resolve(from, &link.target) else { continue };
            let index = index_of(&path);
            let leads_to = [path.as_str(), &index]
                .into_iter()
                .find(|path| self.pages.contains_key(*path) || self.attachments.contains_key(*path));
            match leads_to {
                Some(path) => {
                    let anchor = link.target.find('#').map_or("", |at| &link.target[at..]);
                    led.replace_range(link.at, &(relative(&place(from), &place(path)) + anchor));
                }
                None if self.outside.contains(&path) => led.replace_range(link.whole, &page[link.text]),
                // It leads nowhere, and the test of the book says so.
                None => {}
            }
        }
        led
    }
}

/// A link or picture of a page.
struct Link {
    target: String,
    /// Where all of it is, its text, and its target.
    whole: Range<usize>,
    text: Range<usize>,
    at: Range<usize>,
}

/// Links and pictures as `[text](target)`, in their order; links by reference are not used here.
fn links(page: &str) -> Vec<Link> {
    let parser = Parser::new_ext(page, Options::ENABLE_TABLES).into_offset_iter();
    let mut links: Vec<Link> = parser
        .filter_map(|(event, whole)| {
            let (Event::Start(Tag::Link { dest_url, .. }) | Event::Start(Tag::Image { dest_url, .. })) = event else {
                return None;
            };
            let end = page[whole.clone()].rfind(&format!("]({dest_url}"))? + whole.start;
            let text = whole.start + page[whole.clone()].find('[')? + 1..end;
            let at = end + 2..end + 2 + dest_url.len();
            Some(Link { target: dest_url.into_string(), whole, text, at })
        })
        .collect();
    links.sort_by_key(|link| link.at.start);
    links
}

/// Where a relative link leads in the repository; `None` for others, and for what leads out of it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().filter(|path| !path.is_empty() && !path.starts_with('/'))?;
    if path.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The page that stands for a folder.
fn index_of(path: &str) -> String {
    format!("{path}/README.md")
}

/// Whether a file lies in the folder of a chapter that is not at the top of the repository.
fn beside(pages: &BTreeMap<String, String>, path: &str) -> bool {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let of_file = folder(path);
    of_file.is_some() && pages.keys().any(|page| folder(page) == of_file)
}

/// Where something of the repository is in the book.
fn place(path: &str) -> String {
    let path = path.strip_prefix("docs/").unwrap_or(path);
    match path.strip_suffix("README.md") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => format!("{folder}index.md"),
        _ => path.to_owned(),
    }
}

/// How a page of the book names another one.
fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
    let folders = from.len() - 1;
    let shared = from[..folders].iter().zip(&to[..to.len() - 1]).take_while(|(from, to)| from == to).count();
    let up = (shared..folders).map(|_| "..");
    up.chain(to[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}
