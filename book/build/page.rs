//! What mdBook leaves in a page and the node's pages do not have: inline styles, which its policy refuses, and what scrolls
//! without being reached by the keyboard.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

/// Where the theme wants the contents.
const CONTENTS: &str = "<!-- contents -->";

/// A page of mdBook with its contents, as it is served.
pub(crate) fn finish(page: &str, contents: &str) -> Result<String> {
    let (before, after) = page.split_once(CONTENTS).context("theme/index.hbs has no place for the contents")?;
    let page = format!("{before}{contents}{after}");
    let mut page = pictures(&page);
    for (from, to) in [
        (" style=\"text-align: left\"", ""),
        (" style=\"text-align: center\"", " class=\"center\""),
        (" style=\"text-align: right\"", " class=\"right\""),
        ("<div class=\"table-wrapper\">", "<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">"),
        ("<pre>", "<pre tabindex=\"0\">"),
        ("<div style=\"break-before: page; page-break-before: always;\"></div>", "<hr class=\"break\">"),
    ] {
        page = page.replace(from, to);
    }
    Ok(page)
}

/// Pictures lead to their file, to be enlarged there, where mdBook has a box to tick and each picture twice.
fn pictures(page: &str) -> String {
    let mut parts = page.split("<label class=\"checkbox-label\">");
    let mut html = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (picture, rest) = part.split_once("</label>").unwrap_or((part, ""));
        let image =
            picture.split_once("<img ").and_then(|(_, rest)| rest.split_once('>')).map_or("", |(image, _)| image);
        let source =
            image.split_once("src=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(source, _)| source);
        let _ = write!(html, "<a class=\"picture\" href=\"{source}\"><img {image}></a>{rest}");
    }
    html
}
