//! What is searched: the text of each section of each page, a line each.

use std::fmt::Write as _;

/// Appends the sections of a page, of which each begins at a heading: path, anchor, title of the page, heading and text, separated by tabs.
pub(crate) fn write(lines: &mut String, path: &str, page: &str) {
    let Some((_, main)) = page.split_once("<main") else { return };
    let main = main.split("<nav class=\"neighbours\"").next().unwrap_or_default();
    let mut title = String::new();
    for (level, section) in split(main) {
        let Some((id, rest)) = section.split_once('"') else { continue };
        let Some((heading, text)) = rest.split_once(&format!("</h{level}>")) else { continue };
        let heading = plain(heading.split_once('>').map_or("", |(_, heading)| heading));
        // The title stands at the top of its page.
        let anchor = if level == 1 { "" } else { id };
        if level == 1 {
            title.clone_from(&heading);
        }
        let _ = writeln!(lines, "{path}\t{anchor}\t{title}\t{heading}\t{}", plain(text));
    }
}

/// What follows each heading's `<hN id="`, with its level.
fn split(main: &str) -> Vec<(u8, &str)> {
    let mut starts: Vec<(usize, u8)> = Vec::new();
    for level in 1..=3 {
        starts.extend(main.match_indices(&format!("<h{level} id=\"")).map(|(at, tag)| (at + tag.len(), level)));
    }
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|(at, _)| at - "<h1 id=\"".len()).chain([main.len()]);
    starts.iter().zip(ends).map(|((start, level), end)| (*level, &main[*start..end])).collect()
}

/// The text of HTML in one line.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for (i, part) in html.split('<').enumerate() {
        // Before the first there is no tag; words of two blocks are two words.
        let (tag, rest) = if i == 0 { ("", part) } else { part.split_once('>').unwrap_or((part, "")) };
        if !["a", "/a", "code", "/code", "em", "/em", "strong", "/strong"]
            .contains(&tag.split(' ').next().unwrap_or_default())
        {
            text.push(' ');
        }
        text.push_str(rest);
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&nbsp;", " ").replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
}
