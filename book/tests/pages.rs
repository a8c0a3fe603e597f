//! The book as it is embedded: nothing in it leads nowhere, nothing is left out, and nothing in it needs what the policy of the
//! node's pages refuses.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The page that has all the others on it.
const WHOLE: &str = "print.html";

/// Pages by their paths in the book.
fn pages() -> BTreeMap<&'static str, String> {
    let pages = book::files().iter().filter(|file| file.path.ends_with(".html"));
    pages.map(|page| (page.path, String::from_utf8(page.plain()).unwrap())).collect()
}

/// What stands between `<` and `>`; in texts both are written otherwise.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).filter_map(|rest| rest.split('>').next())
}

/// The names of a tag's attributes, each of which has a value in quotes, or none.
fn attributes(tag: &str) -> impl Iterator<Item = &str> {
    tag.split('"').step_by(2).flat_map(|names| names.split([' ', '='])).skip(1)
}

/// The values of an attribute on a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    tags(page).filter_map(|tag| tag.split_once(&start)?.1.split('"').next()).collect()
}

/// Where a relative path leads in the book; `None` out of it.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_link_picture_and_anchor_leads_somewhere() {
    let pages = pages();
    let ids: BTreeMap<&str, BTreeSet<&str>> =
        pages.iter().map(|(path, page)| (*path, values(page, "id").into_iter().collect())).collect();
    let mut faults = Vec::new();
    let mut links = 0;
    for (from, page) in &pages {
        let to_node = format!("{}../", "../".repeat(from.matches('/').count()));
        for target in values(page, "href").into_iter().chain(values(page, "src")) {
            let elsewhere =
                ["https://", "http://", "mailto:", "data:,"].iter().any(|scheme| target.starts_with(scheme));
            if elsewhere || target == to_node {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { Some((*from).to_owned()) } else { resolve(from, path) };
            match path.filter(|path| book::file(path).is_some()) {
                None => faults.push(format!("{from}: {target} leads nowhere")),
                Some(path) if !anchor.is_empty() && !ids[path.as_str()].contains(anchor) => {
                    faults.push(format!("{from}: nothing is called {target}"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(links > 5000, "links are looked for in the wrong way: {links}");
    assert_none(&faults);
}

#[test]
fn every_page_of_the_documents_is_in_the_contents() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut left_out = Vec::new();
    let mut folders = vec![docs.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") && path != docs.join("SUMMARY.md") {
                let place = place(path.strip_prefix(&docs).unwrap());
                if book::file(&place).is_none() {
                    left_out.push(format!("{} is not named in docs/SUMMARY.md", path.display()));
                }
            }
        }
    }
    assert_none(&left_out);
    assert!(book::file("operations/install.html").is_some() && book::file("hardware/power.html").is_some());
}

/// Where a page of `docs/` is in the book.
fn place(path: &Path) -> String {
    let path: PathBuf = match path.file_name().unwrap().to_str().unwrap() {
        "README.md" => path.with_file_name("index.html"),
        _ => path.with_extension("html"),
    };
    path.to_str().unwrap().to_owned()
}

#[test]
fn pages_have_nothing_that_the_policy_refuses_and_ask_nobody_else() {
    let mut faults = Vec::new();
    for (path, page) in pages() {
        for tag in tags(&page) {
            let name = tag.split([' ', '\n']).next().unwrap();
            let refused = ["script", "style", "base", "iframe", "object"].contains(&name);
            if refused || attributes(tag).any(|attribute| attribute == "style" || attribute.starts_with("on")) {
                faults.push(format!("{path}: <{tag}>"));
            }
        }
        let loaded = values(&page, "src").into_iter().filter(|source| source.contains(':'));
        faults.extend(loaded.map(|source| format!("{path} loads {source}")));
    }
    assert_none(&faults);
}

#[test]
fn each_page_is_named_and_knows_where_it_is_in_the_contents() {
    for (path, page) in pages() {
        let title = page.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        assert!(title.ends_with("Meshstream"), "{path}: {title}");
        let current: Vec<_> = tags(&page).filter(|tag| tag.contains("aria-current=\"page\"")).collect();
        assert_eq!(current.len(), 1, "{path}: {current:?}");
        let name = path.rsplit('/').next().unwrap();
        assert!(current[0].contains(name), "{path}: {current:?}");
        let headings = tags(&page).filter(|tag| tag.starts_with("h1")).count();
        assert!(headings == 1 || path == WHOLE, "{path} has {headings} headings of the first level");
        for heading in tags(&page).filter(|tag| tag.starts_with("h2 ") && path != WHOLE) {
            let id = heading.split('"').nth(1).unwrap();
            assert!(page.contains(&format!("<li><a href=\"#{id}\">")), "{path}: {id} is not in the contents");
        }
        let pictures: Vec<_> = tags(&page).filter(|tag| tag.starts_with("img ")).collect();
        let different: BTreeSet<_> = pictures.iter().collect();
        assert_eq!(pictures.len(), different.len(), "{path} has a picture twice");
        // What scrolls by itself is reached by the keyboard.
        for tag in tags(&page).filter(|tag| *tag == "pre" || tag.starts_with("pre ") || tag.contains("class=\"table")) {
            assert!(tag.contains("tabindex=\"0\""), "{path}: <{tag}>");
        }
    }
}

#[test]
fn a_file_is_found_by_its_path_alone_and_is_what_was_compressed() {
    for file in book::files() {
        assert_eq!(book::file(file.path), Some(file));
        assert!(!file.plain().is_empty(), "{}", file.path);
    }
    for path in
        ["", "/index.html", "operations", "operations/", "../index.html", "index.html/", "SUMMARY.html", "toc.html"]
    {
        assert_eq!(book::file(path), None, "{path}");
    }
    let drawing = book::file("concepts/way.svg").unwrap();
    assert_eq!(drawing.media_type, "image/svg+xml");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/concepts/way.svg");
    assert_eq!(drawing.plain(), std::fs::read(source).unwrap());
    assert_eq!(book::file("hardware/librerouter/lime-node").unwrap().media_type, "text/plain; charset=utf-8");
}

#[test]
fn each_section_says_what_it_is_about_and_where_it_is() {
    let (pages, sections) = (pages(), book::Sections::read());
    let mut found = BTreeSet::new();
    for section in sections.iter() {
        let page = &pages[section.path];
        assert!(section.anchor.is_empty() || values(page, "id").contains(&section.anchor), "{section:?}");
        assert!(!section.title.is_empty() && !section.heading.is_empty(), "{section:?}");
        assert!(!section.text.contains(" href=\""), "{section:?}");
        found.insert(section.path);
    }
    let all: BTreeSet<_> = pages.keys().copied().filter(|path| *path != WHOLE).collect();
    assert_eq!(found, all);
    let public = sections.iter().find(|section| section.anchor == "what-becomes-public").unwrap();
    assert_eq!((public.path, public.heading), ("operations/relay.html", "What becomes public"));
    assert!(public.text.contains("/nodeinfo.json"), "{public:?}");
}

#[test]
fn links_out_of_the_book_become_text() {
    let pages = pages();
    let (hardware, contributing) = (&pages["hardware/index.html"], &pages["CONTRIBUTING.html"]);
    assert!(hardware.contains("(README)"), "the page at the top of the repository is no part of the book");
    assert!(contributing.contains("<li>docs/decisions/ says why"), "a folder without a page of its own");
    assert!(contributing.contains("<a href=\"ARCHITECTURE.html\">"), "a page that is a chapter");
}
