//! The reference as a manual page: `meshstream.toml(5)`.

use clap_mangen::roff::{Inline, Roff, bold, roman};
use stream_model::SettingEffect;

use super::{plain, sections, sentence};

const BEGINNING: &str = "\
The configuration of a node, in TOML. Every key has a default, and a file need not be. What is set comes, later over earlier, from the \
defaults, from this file, from what the owner sets in the node itself (meshstream-settings(1)), from the environment \
(`MESHSTREAM_SECTION__KEY`, such as `MESHSTREAM_WEB__LISTEN=[::]:80`), and from arguments. A key that is not known is an error that names it.";

const FORMS: &str = "\
Durations are written like `\"15s\"` or `\"1m 30s\"`, sizes like `\"10GiB\"` or `\"500MB\"`, rates like `\"1.5 Mbit/s\"`, addresses with a port \
like `\"10.0.0.1:8080\"` or `\"[::]:8080\"`.";

/// The page, which last changed at `date`.
pub(crate) fn manual(date: &str) -> String {
    let mut page = Roff::new();
    page.control("TH", ["meshstream.toml", "5", date, concat!("Meshstream ", env!("CARGO_PKG_VERSION")), "Meshstream"]);
    page.control("SH", ["NAME"]).text([roman("meshstream.toml - configuration of a Meshstream node")]);
    page.control("SH", ["SYNOPSIS"]).text([roman("/etc/meshstream/meshstream.toml")]);
    page.control("SH", ["DESCRIPTION"]).text(inlines(BEGINNING));
    page.control("PP", []).text(inlines(FORMS));
    for section in sections() {
        let heading = if section.repeated { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        page.control("SH", [heading.as_str()]).text(inlines(&section.about));
        for key in section.keys {
            page.control("TP", []).text([bold(&key.name)]);
            let facts = sentence(&key.facts().join("; "));
            let effect = match key.effect {
                Some(SettingEffect::AtOnce) => " Set in the node; takes effect at once.",
                Some(SettingEffect::AfterRestart) => " Set in the node; takes effect with the next start.",
                None => "",
            };
            page.text(inlines(&format!("{} {facts}.{effect}", key.meaning)));
            if !key.parts.is_empty() {
                page.control("RS", []);
                for (part, meaning) in &key.parts {
                    page.control("TP", []).text(inlines(part)).text(inlines(meaning));
                }
                page.control("RE", []);
            }
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("meshstream"), roman("(1), "), bold("meshstream-settings"), roman("(1)")]);
    page.to_roff()
}

/// Markdown's code as bold, without what is a link only on a screen.
fn inlines(markdown: &str) -> Vec<Inline> {
    plain(markdown)
        .split('`')
        .enumerate()
        .map(|(at, text)| if at % 2 == 1 { bold(text) } else { roman(text) })
        .collect()
}
