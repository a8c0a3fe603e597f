//! The table of contents of each page: which pages there are, where this one is among them, and what is on it.

use std::fmt::Write as _;

use mdbook_driver::book::{Book, BookItem, Chapter};

/// The page that has all the others on it.
pub(crate) const WHOLE: &str = "print.html";

/// All pages of the book, by their paths in it.
pub(crate) fn pages(book: &Book) -> Vec<String> {
    let chapters =
        book.iter().filter_map(|item| if let BookItem::Chapter(chapter) = item { page(chapter) } else { None });
    chapters.chain([WHOLE.to_owned()]).collect()
}

/// The contents as HTML, as seen from a page, whose text it gets.
pub(crate) fn list(book: &Book, here: &str, text: &str) -> String {
    let view = View { here, root: "../".repeat(here.matches('/').count()), headings: headings(text) };
    let mut html = String::new();
    let mut parts = book.items.split(|item| matches!(item, BookItem::PartTitle(_)));
    let titles =
        book.items.iter().filter_map(|item| if let BookItem::PartTitle(title) = item { Some(title) } else { None });
    view.items(&mut html, parts.next().unwrap_or_default());
    for (title, items) in titles.zip(parts) {
        let open = if items.iter().any(|item| view.is_in(item)) { " open" } else { "" };
        let _ = writeln!(html, "<details{open}><summary>{}</summary>", escape(title));
        view.items(&mut html, items);
        html.push_str("</details>\n");
    }
    let current = if here == WHOLE { " aria-current=\"page\"" } else { "" };
    let _ = writeln!(html, "<p><a href=\"{}{WHOLE}\"{current}>Everything on one page</a></p>", view.root);
    html
}

/// The contents as a page shows them.
struct View<'a> {
    here: &'a str,
    /// From here to the book's top.
    root: String,
    /// Of this page: identifier and content as HTML.
    headings: Vec<(&'a str, &'a str)>,
}

impl View<'_> {
    fn items(&self, html: &mut String, items: &[BookItem]) {
        let chapters =
            items.iter().filter_map(|item| if let BookItem::Chapter(chapter) = item { Some(chapter) } else { None });
        html.push_str("<ul>\n");
        for chapter in chapters {
            let name = escape(&chapter.name);
            match page(chapter) {
                Some(path) if path == self.here => {
                    let _ = write!(html, "<li><a href=\"{}{path}\" aria-current=\"page\">{name}</a>", self.root);
                    self.headings(html);
                }
                Some(path) => {
                    let _ = write!(html, "<li><a href=\"{}{path}\">{name}</a>", self.root);
                }
                None => {
                    let _ = write!(html, "<li><span>{name}</span>");
                }
            }
            if !chapter.sub_items.is_empty() {
                html.push('\n');
                self.items(html, &chapter.sub_items);
            }
            html.push_str("</li>\n");
        }
        html.push_str("</ul>\n");
    }

    fn headings(&self, html: &mut String) {
        if self.headings.is_empty() {
            return;
        }
        html.push_str("\n<ul class=\"here\">\n");
        for (id, content) in &self.headings {
            let _ = writeln!(html, "<li><a href=\"#{id}\">{content}</a></li>");
        }
        html.push_str("</ul>\n");
    }

    fn is_in(&self, item: &BookItem) -> bool {
        let BookItem::Chapter(chapter) = item else { return false };
        page(chapter).is_some_and(|path| path == self.here) || chapter.sub_items.iter().any(|item| self.is_in(item))
    }
}

/// Headings of the second level, as mdBook writes them.
fn headings(text: &str) -> Vec<(&str, &str)> {
    let headings = text.split("<h2 id=\"").skip(1).filter_map(|rest| {
        let (id, rest) = rest.split_once('"')?;
        let content = rest.split_once("<a class=\"header\" ")?.1.split_once('>')?.1.split_once("</a></h2>")?.0;
        Some((id, content))
    });
    headings.collect()
}

fn page(chapter: &Chapter) -> Option<String> {
    Some(chapter.path.as_ref()?.with_extension("html").to_str()?.to_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
